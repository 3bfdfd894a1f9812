import {
  type ClockOutcome,
  MONTH_MINUTES,
  type SlaCohort,
  type SlaDimension,
  type SlaMetric,
  wholeMonths,
} from '@parley/domain'
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import {
  chosenFrom,
  grouped,
  groups,
  isTagged,
  type ReportSelection,
  shown,
  summedOf,
  timesOf,
} from './report-selection.ts'
import type { ReportGroup } from './report-sums.ts'

/** Of which clocks a summary is. `metrics` null: of every one. */
export type ClockSelection = ReportSelection<SlaDimension> & { cohort: SlaCohort; metrics: SlaMetric[] | null }

type ClockGroup = ReportGroup<SlaDimension> & { metric: SlaMetric }
/** How many clocks became what. */
export type SummedClocks = ClockGroup & { what: 'count'; outcome: ClockOutcome; count: number }
/** How long what was promised took; `mean` in milliseconds, percentiles by nearest rank as buckets. */
export type SummedClockTimes = ClockGroup & {
  what: 'calendar' | 'business'
  count: number
  mean: number
  p50: number
  p90: number
  p95: number
}

/** Both of each period and group, up to `limit` rows. Reads sums alone, and each of them once. */
export async function readClockSums(
  trx: Trx,
  selection: ClockSelection,
  limit: number,
): Promise<(SummedClocks | SummedClockTimes)[]> {
  const { cohort, metrics } = selection
  const group = sql`${groups(selection)}, metric`
  const buckets = (what: 'calendar' | 'business') => sql`
    select ${group}, ${sql.lit(what)} as what, ${sql.ref(`${what}_bucket`)} as bucket,
      sum(count)::bigint as count, sum(${sql.ref(`${what}_total`)}) as total
    from summed where ${sql.ref(`${what}_bucket`)} >= 0 group by ${group}, ${sql.ref(`${what}_bucket`)}`
  const { rows } = await sql<SummedClocks | SummedClockTimes>`
    with summed as materialized (
      select ${grouped(selection)}, metric, outcome, calendar_bucket, business_bucket, sum(count)::bigint as count,
        sum(calendar_total::float8) as calendar_total, sum(business_total::float8) as business_total
      from (${sql.join(
        (await readTimes(trx, selection)).map(
          times => sql`select * from report_clock_sums
            where cohort = ${cohort} and ${ofMetrics(metrics)} and ${summedOf(selection)} and ${times}`,
        ),
        sql` union all `,
      )}) sums
      group by ${group}, outcome, calendar_bucket, business_bucket),
    buckets as (${buckets('calendar')} union all ${buckets('business')}),
    ranked as (
      select *, sum(count) over (partition by ${group}, what order by bucket) as upto,
        sum(count) over (partition by ${group}, what) as whole
      from buckets),
    told as (
      select ${group}, 'count' as what, outcome, sum(count)::int as count,
        null::float8 as mean, null::smallint as p50, null::smallint as p90, null::smallint as p95
      from summed where outcome <> '' group by ${group}, outcome
      union all
      select ${group}, what, '', sum(count)::int, sum(total) / sum(count)::float8,
        min(bucket) filter (where upto >= whole * 0.5),
        min(bucket) filter (where upto >= whole * 0.9),
        min(bucket) filter (where upto >= whole * 0.95)
      from ranked group by ${group}, what
      limit ${limit})
    select ${shown(selection)}, metric, what, outcome, count, mean, p50, p90, p95 from told
    order by ${group}, what, outcome`.execute(trx)
  return rows
}

/**
 * Of which months, hours and quarters the sums are read, each along the index by itself. Months know of inboxes and of one
 * thing more at a time, and a year of them is a twentieth of its hours.
 */
async function readTimes(trx: Trx, selection: ClockSelection): Promise<RawBuilder<unknown>[]> {
  const { from, to, interval, time_zone, dimensions, filters } = selection
  const apart = new Set([...dimensions, ...Object.keys(filters)].filter(name => name !== 'inbox_id'))
  const [apart_by = '', ...more] = apart
  const inMonths = interval === 'none' || (interval === 'month' && time_zone === 'UTC')
  const months = more.length === 0 && apart_by !== 'post_id' && inMonths ? wholeMonths({ from, to }) : undefined
  const within = async (period: Pick<ClockSelection, 'from' | 'to'>) =>
    (await timesOf(trx, { ...selection, ...period })).map(times => sql`apart_by = '' and ${times}`)
  if (!months) return within(selection)
  const rest = [
    { from, to: months.from },
    { from: months.to, to },
  ].filter(period => period.from < period.to)
  const times = await Promise.all(rest.map(within))
  return [
    sql`apart_by = ${apart_by} and minutes = ${MONTH_MINUTES} and at >= ${months.from} and at < ${months.to}`,
    ...times.flat(),
  ]
}

/**
 * Of the same clocks those that have fallen due by `as_of` though nobody has recorded it: between a due time and the tick
 * that sees it. They are counted as running. Those few are read one by one.
 */
export async function countUnrecordedBreaches(
  trx: Trx,
  selection: ClockSelection,
  as_of: Date,
): Promise<(ClockGroup & { count: number })[]> {
  const { cohort, metrics, from, to, dimensions } = selection
  if (cohort === 'fulfilled') return []
  const at = atOf(cohort)
  // What has two tags is counted in both.
  const tagged = isTagged(selection)
    ? sql`cross join lateral unnest(tag_ids) as tagged (tag_id)${
        selection.filters.tag_id ? sql` where tag_id = any(${selection.filters.tag_id}::uuid[])` : sql``
      }`
    : sql``
  const group = sql`${groups(selection)}, metric`
  const { rows } = await sql<ClockGroup & { count: number }>`
    with late as (
      select * from (select *, ${at} as at from report_clocks
        where build = (select build from report_builds) and ${unrecorded(as_of)}
          and ${at} >= ${from} and ${at} < ${to} and ${sql.join([ofMetrics(metrics), ...chosenFrom(selection)], sql` and `)}) due
      ${tagged}),
    summed as (
      select ${grouped(selection)}, metric, count(*)::int as count from (select at, metric${columnsOf(dimensions)} from late) l
      group by ${group})
    select ${shown(selection)}, metric, count from summed order by ${group}`.execute(trx)
  return rows
}

const columnsOf = (dimensions: SlaDimension[]): RawBuilder<unknown> =>
  dimensions.length === 0 ? sql`` : sql`, ${sql.join(dimensions.map(name => sql.ref(name)))}`

/** What decides in which period a clock is. */
export const atOf = (cohort: SlaCohort): RawBuilder<unknown> => sql.ref(`${cohort}_at`)

export const ofMetrics = (metrics: SlaMetric[] | null): RawBuilder<unknown> =>
  metrics ? sql`metric = any(${metrics}::text[])` : sql`true`

export const unrecorded = (as_of: Date): RawBuilder<unknown> => sql`outcome = 'running' and due_at < ${as_of}`
