import { beginningOf, beginsAt, type ReportDimension, type ReportInterval } from '@parley/domain'
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'

/** What stands in a sum for what it does not know of. */
const NO_ID = '00000000-0000-0000-0000-000000000000'

/** Of which numbers, from when until when, told apart by what. A null among the values of a filter: of none. */
export type ReportSelection<D extends string = ReportDimension> = {
  from: Date
  to: Date
  /** IANA; where days, weeks and months begin. */
  time_zone: string
  interval: ReportInterval
  dimensions: D[]
  filters: Partial<Record<D, (string | null)[]>>
  /** Those that the caller sees; null: all. */
  inbox_ids: string[] | null
}
type Selection = ReportSelection<string>

const column = (name: string) => sql.ref(name)
const isId = (name: string) => name.endsWith('_id')
const listType = (name: string) => sql.raw(isId(name) ? 'uuid[]' : 'text[]')

/** The columns of a group as they are read from the sums, where nothing is the id of zeros. */
export function grouped({ from, time_zone, interval, dimensions }: Selection): RawBuilder<unknown> {
  const period =
    interval === 'none'
      ? sql`${from}::timestamptz as period`
      : sql`date_trunc(${sql.lit(interval)}, at, ${time_zone}::text) as period`
  return sql.join([period, ...dimensions.map(column)])
}

export const groups = ({ dimensions }: Selection) => sql.join([sql`period`, ...dimensions.map(column)])

/** The same as they are told: each period with its beginning and end. */
export function shown({ from, to, time_zone, interval, dimensions }: Selection): RawBuilder<unknown> {
  const end =
    interval === 'none'
      ? sql`${to}::timestamptz`
      : interval === 'hour'
        ? sql`period + interval '1 hour'`
        : // By the calendar: a day may have 23 hours.
          sql`(period at time zone ${time_zone}::text + ${sql.lit(`1 ${interval}`)}::interval) at time zone ${time_zone}::text`
  const told = dimensions.map(name =>
    isId(name) ? sql`nullif(${column(name)}, ${NO_ID}::uuid)::text as ${column(name)}` : column(name),
  )
  return sql.join([
    sql`greatest(period, ${from}::timestamptz) as "from"`,
    sql`least(${end}, ${to}::timestamptz) as "to"`,
    ...told,
  ])
}

const QUARTERS_MS = [0, 15, 30, 45].map(minutes => minutes * 60_000)
/** Where this many hours are split, as all are by the hour in Kathmandu, quarters are read alone. */
const MAX_SPLIT = 2_000

/** The hours within which a period begins or ends: they are put together from quarters. */
async function splitHours(trx: Trx, { from, to, time_zone, interval }: Selection): Promise<Date[]> {
  const ends = [from, to].filter(end => !beginsAt(end, 60)).map(end => beginningOf(end, 60))
  if (interval === 'none' || time_zone === 'UTC') return ends
  const { rows } = await sql<{ at: Date }>`
    select distinct date_trunc('hour', begins, 'UTC') as at from (
      select distinct date_trunc(${sql.lit(interval)}, hour, ${time_zone}::text) as begins
      from generate_series(${from}::timestamptz, ${to}::timestamptz + interval '1 hour', interval '1 hour') as hour) periods
    where begins > ${from} and begins < ${to} and begins <> date_trunc('hour', begins, 'UTC')`.execute(trx)
  return [...ends, ...rows.map(({ at }) => at)]
}

/** Of which hours, and of which quarters, the sums are read, so that each thing is read once. */
export async function timesOf(trx: Trx, selection: Selection): Promise<RawBuilder<unknown>[]> {
  const { from, to } = selection
  const split = await splitHours(trx, selection)
  const within = sql`at >= ${from} and at < ${to}`
  if (split.length === 0) return [sql`minutes = 60 and ${within}`]
  if (split.length > MAX_SPLIT) return [sql`minutes = 15 and ${within}`]
  const quarters = split.flatMap(hour => QUARTERS_MS.map(ms => new Date(hour.getTime() + ms)))
  return [
    sql`minutes = 60 and ${within} and at <> all(${split}::timestamptz[])`,
    sql`minutes = 15 and ${within} and at = any(${quarters}::timestamptz[])`,
  ]
}

/** Whether a selection is of what is counted once for each tag. */
export const isTagged = ({ dimensions, filters }: Selection): boolean =>
  filters.tag_id !== undefined || dimensions.includes('tag_id')

/** Which sums a selection is of, whatever they are sums of, but for their times. */
export const summedOf = (selection: Selection): RawBuilder<unknown> =>
  sql.join(
    [
      sql`build = (select build from report_builds)`,
      sql`tagged = ${sql.lit(isTagged(selection))}`,
      ...chosenSums(selection),
    ],
    sql` and `,
  )

/** What was chosen, as conditions on sums. */
function chosenSums({ filters, inbox_ids }: Pick<Selection, 'filters' | 'inbox_ids'>): RawBuilder<unknown>[] {
  const chosen = Object.entries(filters).map(
    ([name, values]) => sql`${column(name)} = any(${values!.map(value => value ?? NO_ID)}::${listType(name)})`,
  )
  return [...(inbox_ids ? [sql`inbox_id = any(${inbox_ids}::uuid[])`] : []), ...chosen]
}

/** The same on what is counted, where null stands for nothing and the tags in a list. */
export function chosenFrom({ filters, inbox_ids }: Pick<Selection, 'filters' | 'inbox_ids'>): RawBuilder<unknown>[] {
  const { tag_id, ...others } = filters
  return [
    ...(inbox_ids ? [sql`inbox_id = any(${inbox_ids}::uuid[])`] : []),
    ...(tag_id ? [sql`tag_ids && ${tag_id}::uuid[]`] : []),
    ...Object.entries(others).map(([name, values]) => isOneOf(name, values!)),
  ]
}

/** Null: nothing stands there. */
function isOneOf(name: string, values: (string | null)[]): RawBuilder<unknown> {
  const some = values.filter(value => value !== null)
  const found = sql`${column(name)} = any(${some}::${listType(name)})`
  return values.length > some.length ? sql`(${found} or ${column(name)} is null)` : found
}
