import { beginningOf, beginsAt, type ReportDimension, type ReportInterval } from '@parley/domain'
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'

const NONE = sql`'00000000-0000-0000-0000-000000000000'::uuid`

/** Of which numbers, from when until when, told apart by what. A null among the values of a filter: of none. */
export type ReportSelection = {
  from: Date
  to: Date
  /** IANA; where days, weeks and months begin. */
  time_zone: string
  interval: ReportInterval
  dimensions: ReportDimension[]
  filters: Partial<Record<ReportDimension, (string | null)[]>>
  /** Those that the caller sees; null: all. */
  inbox_ids: string[] | null
}

/** To what a number belongs. `from` and `to` are those of its period, cut off where the selection ends. */
export type ReportGroup = { from: Date; to: Date } & Partial<Record<ReportDimension, string | null>>
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
 * knows too little: it takes a year of one measure for more than it is, and reads them all.
 */
export async function readSumsByIndex(trx: Trx): Promise<void> {
  await sql.raw("set local enable_seqscan = off; set local work_mem = '32MB'").execute(trx)
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
      from report_sums where ${conditions(selection, measures, await splitHours(trx, selection))}
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
      from report_sums where ${conditions(selection, measures, await splitHours(trx, selection))}
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

const column = (name: string) => sql.ref(name)

/** The columns of a group as they are read from the sums, where nothing is the id of zeros. */
function grouped({ from, time_zone, interval, dimensions }: ReportSelection): RawBuilder<unknown> {
  const period =
    interval === 'none'
      ? sql`${from}::timestamptz as period`
      : sql`date_trunc(${sql.lit(interval)}, at, ${time_zone}::text) as period`
  return sql.join([period, ...dimensions.map(column)])
}

const groups = ({ dimensions }: ReportSelection) => sql.join([sql`period`, ...dimensions.map(column)])

function shown({ from, to, time_zone, interval, dimensions }: ReportSelection): RawBuilder<unknown> {
  const end =
    interval === 'none'
      ? sql`${to}::timestamptz`
      : interval === 'hour'
        ? sql`period + interval '1 hour'`
        : // By the calendar: a day may have 23 hours.
          sql`(period at time zone ${time_zone}::text + ${sql.lit(`1 ${interval}`)}::interval) at time zone ${time_zone}::text`
  const ids = dimensions.map(name => sql`nullif(${column(name)}, ${NONE})::text as ${column(name)}`)
  return sql.join([
    sql`greatest(period, ${from}::timestamptz) as "from"`,
    sql`least(${end}, ${to}::timestamptz) as "to"`,
    ...ids,
  ])
}

const QUARTERS_MS = [0, 15, 30, 45].map(minutes => minutes * 60_000)
/** Where this many hours are split, as all are by the hour in Kathmandu, quarters are read alone. */
const MAX_SPLIT = 2_000

/** The hours within which a period begins or ends: they are put together from quarters. */
async function splitHours(trx: Trx, { from, to, time_zone, interval }: ReportSelection): Promise<Date[]> {
  const ends = [from, to].filter(end => !beginsAt(end, 60)).map(end => beginningOf(end, 60))
  if (interval === 'none' || time_zone === 'UTC') return ends
  const { rows } = await sql<{ at: Date }>`
    select distinct date_trunc('hour', begins, 'UTC') as at from (
      select distinct date_trunc(${sql.lit(interval)}, hour, ${time_zone}::text) as begins
      from generate_series(${from}::timestamptz, ${to}::timestamptz + interval '1 hour', interval '1 hour') as hour) periods
    where begins > ${from} and begins < ${to} and begins <> date_trunc('hour', begins, 'UTC')`.execute(trx)
  return [...ends, ...rows.map(({ at }) => at)]
}

/** Of which hours and quarters the sums are read, so that each thing is read once. */
function timesIn({ from, to }: ReportSelection, split: Date[]): RawBuilder<unknown> {
  const within = sql`at >= ${from} and at < ${to}`
  if (split.length === 0) return sql`minutes = 60 and ${within}`
  if (split.length > MAX_SPLIT) return sql`minutes = 15 and ${within}`
  const quarters = split.flatMap(hour => QUARTERS_MS.map(ms => new Date(hour.getTime() + ms)))
  return sql`${within} and ((minutes = 60 and at <> all(${split}::timestamptz[]))
    or (minutes = 15 and at = any(${quarters}::timestamptz[])))`
}

function conditions(selection: ReportSelection, measures: string[], split: Date[]): RawBuilder<unknown> {
  const { dimensions, filters, inbox_ids } = selection
  const { tag_id, ...others } = filters
  const chosen = Object.entries(others).map(
    ([name, ids]) => sql`${column(name)} = any(${ids.map(id => id ?? NO_ID)}::uuid[])`,
  )
  const all = [
    sql`build = (select build from report_builds)`,
    sql`measure = any(${measures})`,
    sql`tagged = ${sql.lit(tag_id !== undefined || dimensions.includes('tag_id'))}`,
    timesIn(selection, split),
    ...(inbox_ids ? [sql`inbox_id = any(${inbox_ids}::uuid[])`] : []),
    ...(tag_id ? [sql`tag_id = any(${tag_id}::uuid[])`] : []),
    ...chosen,
  ]
  return sql.join(all, sql` and `)
}

const NO_ID = '00000000-0000-0000-0000-000000000000'

/** How many replies of people there were, and how many of them say the same as another one of them. */
export async function readAlikeReplies(
  trx: Trx,
  { from, to, filters, inbox_ids }: ReportSelection,
): Promise<{ replies: number; alike: number }> {
  const { tag_id, ...others } = filters
  const all = [
    sql`build = (select build from report_builds) and kind = 'reply' and outcome <> 'program'`,
    sql`at >= ${from} and at < ${to}`,
    ...(inbox_ids ? [sql`inbox_id = any(${inbox_ids}::uuid[])`] : []),
    ...(tag_id ? [sql`tag_ids && ${tag_id}::uuid[]`] : []),
    ...Object.entries(others).map(([name, ids]) => isOneOf(name, ids)),
  ]
  const { rows } = await sql<{ replies: number; alike: number }>`
    select coalesce(sum(count), 0)::int as replies,
      coalesce(sum(count) filter (where count > 1 and fingerprint is not null), 0)::int as alike
    from (select fingerprint, count(*) from report_facts where ${sql.join(all, sql` and `)} group by fingerprint) texts`.execute(
    trx,
  )
  return rows[0]!
}

/** The condition that a column of the facts is one of these; null: nothing stands there. */
export function isOneOf(name: string, ids: (string | null)[]): RawBuilder<unknown> {
  const some = ids.filter(id => id !== null)
  const found = sql`${column(name)} = any(${some}::uuid[])`
  return ids.length > some.length ? sql`(${found} or ${column(name)} is null)` : found
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
    union all select id, name from tags where ${wanted}
    union all select id, left(coalesce(text, external_id), 80) from posts where ${wanted}`.execute(trx)
  return new Map(rows.map(({ id, name }) => [id, name]))
}
