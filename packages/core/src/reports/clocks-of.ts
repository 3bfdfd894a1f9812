import type { ClockSum, CountableClock, CountedClock } from '@parley/db'
import {
  beginningOf,
  bucketOf,
  type CompiledCalendar,
  countedBy,
  MONTH_MINUTES,
  monthOf,
  outcomeOfClock,
  SLA_COHORTS,
  SUMMED_MINUTES,
} from '@parley/domain'

/** What stands in a sum for what it does not know of. */
const NONE = '00000000-0000-0000-0000-000000000000'
const NOT_FULFILLED = -1

/** What the summary counts of a clock as it stands. @param calendar the version that it counts by */
export function countedClock(clock: CountableClock, calendar: CompiledCalendar): CountedClock {
  const { id, conversation_id, metric, policy_id, priority, inbox_id, channel_id, post_id, tag_ids } = clock
  const { owner_id, team_id, started_at, due_at, fulfilled_at, cancelled_reason } = clock
  return {
    ...{ id, conversation_id, metric, policy_id, priority, inbox_id, channel_id, post_id, tag_ids },
    ...{ user_id: owner_id, team_id, started_at, due_at, fulfilled_at, cancelled_reason },
    outcome: outcomeOfClock(clock),
    calendar_ms: fulfilled_at && Math.max(0, fulfilled_at.getTime() - started_at.getTime()),
    business_ms: fulfilled_at && businessMs(clock, fulfilled_at, calendar),
  }
}

/** One that stood still when it ended had counted before that. */
const businessMs = (clock: CountableClock, fulfilled_at: Date, calendar: CompiledCalendar): number =>
  clock.paused_at ? clock.counted_ms : countedBy(calendar, clock, fulfilled_at)

/** To which sums a clock adds, and how much to each. */
export function sumsOfClock(clock: CountedClock): ClockSum[] {
  const { metric, policy_id, priority, inbox_id, channel_id, post_id, team_id, user_id, outcome, tag_ids } = clock
  const { calendar_ms, business_ms } = clock
  const bucket = (ms: number | null) => (ms === null ? NOT_FULFILLED : bucketOf(ms))
  const sum = {
    ...{ metric, priority, inbox_id, channel_id, outcome, policy_id: policy_id ?? NONE },
    ...{ post_id: post_id ?? NONE, team_id: team_id ?? NONE, user_id: user_id ?? NONE },
    ...{ calendar_bucket: bucket(calendar_ms), business_bucket: bucket(business_ms) },
    ...{ count: 1, calendar_total: calendar_ms ?? 0, business_total: business_ms ?? 0 },
  }
  const tags = [{ tagged: false, tag_id: NONE }, ...tag_ids.map(tag_id => ({ tagged: true, tag_id }))]
  return SLA_COHORTS.flatMap(cohort => {
    const at = clock[`${cohort}_at`]
    if (!at) return []
    const times = SUMMED_MINUTES.flatMap(minutes =>
      tags.map(tag => ({ cohort, minutes, apart_by: '', ...tag, at: beginningOf(at, minutes), ...sum })),
    )
    const month = { cohort, minutes: MONTH_MINUTES, at: monthOf(at), ...sum, ...ANYWHERE }
    const [untagged, ...tagged] = tags
    const whole = { ...month, ...untagged!, apart_by: '' }
    const apart = MONTHS_APART_BY.map(name => ({ ...whole, apart_by: name, [name]: sum[name] }))
    const byTag = tagged.map(tag => ({ ...month, ...tag, apart_by: 'tag_id' }))
    return [...times, ...[whole, ...apart, ...byTag].flatMap(inMonth)]
  })
}

/** Nobody reads a year by posts, of which there are more than a summary has rows. */
const MONTHS_APART_BY = ['channel_id', 'team_id', 'user_id', 'policy_id', 'priority'] as const

/** What the sums of months tell apart by no more than one of. */
const ANYWHERE = { channel_id: NONE, post_id: NONE, team_id: NONE, user_id: NONE, policy_id: NONE, priority: '' }

/** Both times at once are shared by few clocks, and one of them by many: in a month they are summed each by itself. */
function inMonth(month: ClockSum): ClockSum[] {
  const calendar = { ...month, business_bucket: NOT_FULFILLED, business_total: 0 }
  if (month.business_bucket === NOT_FULFILLED) return [calendar]
  return [calendar, { ...month, outcome: '', calendar_bucket: NOT_FULFILLED, calendar_total: 0 }]
}
