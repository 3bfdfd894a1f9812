import type { ReportDimension } from '@parley/domain'
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { chosenFrom, grouped, groups, type ReportSelection, shown, summedOf, timesOf } from './report-selection.ts'

/** To what a number belongs. `from` and `to` are those of its period, cut off where the selection ends. */
export type ReportGroup<D extends string = ReportDimension> = { from: Date; to: Date } & Partial<
  Record<D, string | null>
>
export type SummedCount = ReportGroup & { measure: string; outcome: string; reason: string; count: number }
/** `mean` in milliseconds, percentiles as buckets. */
export type SummedTimes = ReportGroup & {
  measure: string
  count: number
  mean: number
  p50: number
  p90: number
  p95: number
}

/**
 * Has what follows in this transaction read sums along their index. They are a small part of the table, of which the planner
 * knows too little: it takes a year of one measure for more than it is, and reads them all. Compiling takes longer than it saves.
 */
export async function readSumsByIndex(trx: Trx): Promise<void> {
  await sql.raw("set local enable_seqscan = off; set local jit = off; set local work_mem = '32MB'").execute(trx)
}

/** The counts of these measures, up to `limit` of them. Reads sums alone. */
export async function readCounts(
  trx: Trx,
  selection: ReportSelection,
  measures: string[],
  limit: number,
): Promise<SummedCount[]> {
  const { rows } = await sql<SummedCount>`
    with summed as (
      select ${grouped(selection)}, measure, outcome, reason, sum(count)::int as count
      from report_sums where ${await conditions(trx, selection, measures)}
      group by ${groups(selection)}, measure, outcome, reason limit ${limit})
    select ${shown(selection)}, measure, outcome, reason, count from summed
    order by ${groups(selection)}, measure, outcome, reason`.execute(trx)
  return rows
}

/** Mean and percentiles by nearest rank of these measures, up to `limit` groups. */
export async function readTimes(
  trx: Trx,
  selection: ReportSelection,
  measures: string[],
  limit: number,
): Promise<SummedTimes[]> {
  const { rows } = await sql<SummedTimes>`
    with buckets as (
      select ${grouped(selection)}, measure, bucket, sum(count)::bigint as count, sum(total)::float8 as total
      from report_sums where ${await conditions(trx, selection, measures)}
      group by ${groups(selection)}, measure, bucket),
    ranked as (
      select *, sum(count) over (partition by ${groups(selection)}, measure order by bucket) as upto,
        sum(count) over (partition by ${groups(selection)}, measure) as whole
      from buckets),
    summed as (
      select ${groups(selection)}, measure, sum(count)::int as count, sum(total) / sum(count)::float8 as mean,
        min(bucket) filter (where upto >= whole * 0.5) as p50,
        min(bucket) filter (where upto >= whole * 0.9) as p90,
        min(bucket) filter (where upto >= whole * 0.95) as p95
      from ranked group by ${groups(selection)}, measure limit ${limit})
    select ${shown(selection)}, measure, count, mean, p50, p90, p95 from summed
    order by ${groups(selection)}, measure`.execute(trx)
  return rows
}

/** Of which sums. */
async function conditions(trx: Trx, selection: ReportSelection, measures: string[]): Promise<RawBuilder<unknown>> {
  const times = sql.join(await timesOf(trx, selection), sql` or `)
  return sql`measure = any(${measures}) and ${summedOf(selection)} and (${times})`
}

/** How many replies of people there were, and how many of them say the same as another one of them. */
export async function readAlikeReplies(
  trx: Trx,
  { from, to, filters, inbox_ids }: ReportSelection,
): Promise<{ replies: number; alike: number }> {
  const all = [
    sql`build = (select build from report_builds) and kind = 'reply' and outcome <> 'program'`,
    sql`at >= ${from} and at < ${to}`,
    ...chosenFrom({ filters, inbox_ids }),
  ]
  const { rows } = await sql<{ replies: number; alike: number }>`
    select coalesce(sum(count), 0)::int as replies,
      coalesce(sum(count) filter (where count > 1 and fingerprint is not null), 0)::int as alike
    from (select fingerprint, count(*) from report_facts where ${sql.join(all, sql` and `)} group by fingerprint) texts`.execute(
    trx,
  )
  return rows[0]!
}

/** Up to when reports have read the log: all of it is `now`; undefined while nothing was read yet. */
export async function findReportsReadUpTo(trx: Trx, consumer: string, now: Date): Promise<Date | undefined> {
  const { rows } = await sql<{ unread_at: Date | null }>`
    select (select e.at from events e where (e.xact, e.seq) > (c.xact, c.seq) order by e.xact, e.seq limit 1) as unread_at
    from feed_cursors c where c.consumer = ${consumer}`.execute(trx)
  const [place] = rows
  return place && (place.unread_at ?? now)
}

/** What things are called that reports are about. Of a post: how it begins. */
export async function listReportNames(trx: Trx, ids: string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const wanted = sql`id = any(${ids}::uuid[])`
  const { rows } = await sql<{ id: string; name: string }>`
    select id, name from inboxes where ${wanted} union all select id, name from channels where ${wanted}
    union all select id, name from teams where ${wanted} union all select id, name from users where ${wanted}
    union all select id, name from tags where ${wanted} union all select id, name from sla_policies where ${wanted}
    union all select id, left(coalesce(text, external_id), 80) from posts where ${wanted}`.execute(trx)
  return new Map(rows.map(({ id, name }) => [id, name]))
}
