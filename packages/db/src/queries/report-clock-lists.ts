import { SLA_MEASURES, type SlaMeasure } from '@parley/domain'
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { atOf, type ClockSelection, ofMetrics, unrecorded } from './report-clock-sums.ts'
import type { CountedClock } from './report-clocks.ts'
import type { CountedPosition } from './report-lists.ts'
import { chosenFrom } from './report-selection.ts'

/** Which clocks a number of a summary counts. */
export type CountedClockFilter = Pick<
  ClockSelection,
  'cohort' | 'metrics' | 'from' | 'to' | 'filters' | 'inbox_ids'
> & { measure: SlaMeasure; as_of: Date }

/** `at` is what decides in which period it is. */
export type ListedCountedClock = CountedClock & { at: Date; number: number | null }

/** The clocks that a number counts, oldest first: `limit` rows past `after`. As many as the number says, while nothing is counted. */
export async function listClocksOfMeasure(
  trx: Trx,
  { measure, cohort, metrics, from, to, filters, inbox_ids, as_of }: CountedClockFilter,
  page: { limit: number; after?: CountedPosition | undefined },
): Promise<ListedCountedClock[]> {
  const at = atOf(cohort)
  const conditions = [
    sql`build = (select build from report_builds)`,
    sql`${at} >= ${from} and ${at} < ${to}`,
    isCounted(measure, as_of),
    ofMetrics(metrics),
    ...chosenFrom({ filters, inbox_ids }),
    ...(page.after ? [sql`(${at}, id) > (${page.after.at}::timestamptz, ${page.after.id}::uuid)`] : []),
  ]
  const { rows } = await sql<ListedCountedClock>`
    select f.*, ${at} as at, (select v.number from conversations v where v.id = f.conversation_id) as number
    from (select * from report_clocks where ${sql.join(conditions, sql` and `)} order by ${at}, id limit ${page.limit}) f
    order by ${at}, id`.execute(trx)
  return rows
}

/** What has fallen due counts as that before anybody has recorded it. */
function isCounted(measure: SlaMeasure, as_of: Date): RawBuilder<unknown> {
  const recorded = sql`outcome = any(${[...SLA_MEASURES[measure]]}::text[])`
  if (measure === 'breached' || measure === 'open_overdue') return sql`(${recorded} or ${unrecorded(as_of)})`
  return measure === 'open' ? sql`${recorded} and not (${unrecorded(as_of)})` : recorded
}
