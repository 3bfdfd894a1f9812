import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { ReportFact } from './report-facts.ts'
import { chosenFrom, type ReportSelection } from './report-selection.ts'

export type CountedPosition = { at: Date; id: string }

/** Which of what reports count: those of one number. */
export type CountedFilter = Pick<ReportSelection, 'from' | 'to' | 'filters' | 'inbox_ids'> & {
  /** The sum that the number is of. */
  measure: string
  outcome?: string | undefined
  reason?: string | undefined
}

/** One of what a number counts; `at` is what decides in which period. */
export type CountedThing = ReportFact & { number: number | null }

/** What a number counts, oldest first: `limit` rows past `after`. As many as the number says, while nothing is counted. */
export async function listCounted(
  trx: Trx,
  { measure, outcome, reason, from, to, filters, inbox_ids }: CountedFilter,
  page: { limit: number; after?: CountedPosition | undefined },
): Promise<CountedThing[]> {
  const answers = measure === 'answer'
  const at = answers ? sql`answered_at` : sql`at`
  const kind = answers ? sql`kind = 'message' and wait_ms is not null` : sql`kind = ${measure}`
  const conditions = [
    sql`build = (select build from report_builds)`,
    kind,
    sql`${at} >= ${from} and ${at} < ${to}`,
    ...(outcome === undefined ? [] : [sql`outcome = ${outcome}`]),
    ...(reason === undefined ? [] : [sql`reason = ${reason}`]),
    ...chosenFrom({ filters, inbox_ids }),
    ...(page.after ? [sql`(${at}, id) > (${page.after.at}::timestamptz, ${page.after.id}::uuid)`] : []),
  ]
  const { rows } = await sql<CountedThing>`
    select f.*, (select v.number from conversations v where v.id = f.conversation_id) as number
    from (select * from report_facts where ${sql.join(conditions, sql` and `)} order by ${at}, id limit ${page.limit}) f
    order by ${at}, id`.execute(trx)
  return rows.map(row => (answers ? { ...row, at: row.answered_at! } : row))
}
