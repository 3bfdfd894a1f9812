import type { ReportFact, ReportSum } from '@parley/db'
import { beginningOf, bucketOf, SUMMED_MINUTES } from '@parley/domain'

/** What stands in a sum for what it does not know of. */
const NONE = '00000000-0000-0000-0000-000000000000'
const ONLY_COUNTED = -1
const MAX_BUCKET = 32_767

type Measure = Pick<ReportSum, 'measure'> &
  Partial<Pick<ReportSum, 'outcome' | 'reason' | 'bucket' | 'total'>> & {
    at?: Date
    /** Whether it is counted for each tag as well. */
    by_tag?: boolean
    /** Whether it is somebody's, and not only a channel's. */
    credited?: boolean
    without_post?: boolean
  }

/** To which sums something adds, and how much to each. */
export function sumsOf(fact: ReportFact): ReportSum[] {
  return measuresOf(fact).flatMap(({ by_tag, credited, without_post, ...measure }) => {
    const sum = {
      inbox_id: fact.inbox_id,
      channel_id: fact.channel_id,
      post_id: (!without_post && fact.post_id) || NONE,
      team_id: (credited && fact.team_id) || NONE,
      user_id: (credited && fact.user_id) || NONE,
      outcome: '',
      reason: '',
      bucket: ONLY_COUNTED,
      count: 1,
      total: 0,
      ...measure,
    }
    const tags = by_tag ? fact.tag_ids.map(tag_id => ({ tagged: true, tag_id })) : []
    return SUMMED_MINUTES.flatMap(minutes =>
      [{ tagged: false, tag_id: NONE }, ...tags].map(tag => ({
        ...sum,
        ...tag,
        minutes,
        at: beginningOf(measure.at ?? fact.at, minutes),
      })),
    )
  })
}

function measuresOf(fact: ReportFact): Measure[] {
  const { kind, outcome, reason } = fact
  switch (kind) {
    case 'message':
      return messageMeasures(fact)
    case 'reply':
      return [{ measure: 'reply', outcome, by_tag: true, credited: true }]
    case 'created': {
      const turns = fact.turns ?? 0
      const depth = { measure: 'depth', bucket: Math.min(turns, MAX_BUCKET), total: turns, by_tag: true }
      return [{ measure: 'created', by_tag: true }, depth]
    }
    case 'resolved':
      return [{ measure: 'resolved', by_tag: true, credited: true }]
    case 'reopened':
      return [{ measure: 'reopened', by_tag: true }]
    case 'parked':
      return [{ measure: 'parked' }]
    default:
      throw new Error(`nobody counts ${kind} ${outcome} ${reason}`)
  }
}

function messageMeasures(fact: ReportFact): Measure[] {
  const { outcome, reason, answered_at, wait_ms, network_lag_ms, ingest_lag_ms } = fact
  const measures: Measure[] = [{ measure: 'message', outcome, reason, by_tag: true }]
  if (answered_at && wait_ms !== null)
    measures.push({ ...timed('answer', wait_ms), at: answered_at, by_tag: true, credited: true })
  measures.push({ ...timed('network_lag', network_lag_ms ?? 0), without_post: true })
  measures.push({ ...timed('ingest_lag', ingest_lag_ms ?? 0), without_post: true })
  return measures
}

const timed = (measure: string, ms: number) => ({ measure, bucket: bucketOf(ms), total: ms })
