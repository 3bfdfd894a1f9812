import {
  type ClockSelection,
  countUnrecordedBreaches,
  findReportsReadUpTo,
  listReportNames,
  readClockSums,
  readSumsByIndex,
  type SummedClocks,
  type SummedClockTimes,
  type Trx,
} from '@parley/db'
import {
  attainmentOf,
  type ClockOutcome,
  DomainError,
  SLA_DIMENSIONS,
  SLA_MEASURE_NAMES,
  SLA_MEASURES,
  SLA_METRICS,
  type SlaDimension,
  type SlaMeasure,
  type SlaMetric,
  valueOfBucket,
} from '@parley/domain'
import { CLOCK_REPORTS_FEED } from './count-clocks.ts'

/** More rows than this are no summary. */
const MAX_ROWS = 10_000
/** Of each row there are seven outcomes and two kinds of times at most. */
const MAX_SUMS = MAX_ROWS * 9

export type SlaSummaryQuery = Omit<ClockSelection, 'dimensions'> & { group_by: SlaDimension[] }
export type SlaSummaryRow = { from: Date; to: Date; metric: SlaMetric } & Record<string, unknown>

export type SlaSummary = { as_of: Date | null; rows: SlaSummaryRow[]; names: Record<string, string> }

/**
 * What was promised and what became of it: a row for each period, group and metric in which there was something. Times are in
 * seconds, null where nothing was fulfilled. `as_of` tells up to when the log was read, and what is judged overdue then:
 * null while nothing was.
 * @throws DomainError `validation_failed` for one of too many rows
 */
export async function readSlaSummary(
  trx: Trx,
  { group_by, ...query }: SlaSummaryQuery,
  now: Date,
): Promise<SlaSummary> {
  // In one order, whatever theirs was.
  const dimensions = SLA_DIMENSIONS.filter(dimension => group_by.includes(dimension))
  const selection = { ...query, dimensions }
  await readSumsByIndex(trx)
  const as_of = await findClocksReadUpTo(trx, now)
  if (!as_of) return { as_of, rows: [], names: {} }
  const sums = await readClockSums(trx, selection, MAX_SUMS)
  const overdue = await countUnrecordedBreaches(trx, selection, as_of)
  const judged = overdue.flatMap(row => [
    { ...row, what: 'count' as const, outcome: 'running' as const, count: -row.count },
    { ...row, what: 'count' as const, outcome: 'overdue' as const },
  ])
  const rows = rowsOf(dimensions, [...sums, ...judged])
  if (rows.length > MAX_ROWS || sums.length === MAX_SUMS)
    throw new DomainError('validation_failed', 'These are more than 10,000 rows: ask for less at once.')
  const ids = rows.flatMap(row => dimensions.flatMap(name => (name === 'priority' ? [] : (row[name] ?? []))))
  const names = Object.fromEntries(await listReportNames(trx, [...new Set(ids as string[])]))
  return { as_of, rows, names }
}

/** Up to when the log was read for the SLA summary; null while it was not. */
export async function findClocksReadUpTo(trx: Trx, now: Date): Promise<Date | null> {
  return (await findReportsReadUpTo(trx, CLOCK_REPORTS_FEED, now)) ?? null
}

type Summed = SummedClocks | SummedClockTimes
type Found = { group: SlaSummaryRow; outcomes: Partial<Record<ClockOutcome, number>>; times: SummedClockTimes[] }

function rowsOf(dimensions: SlaDimension[], sums: Summed[]): SlaSummaryRow[] {
  const found = new Map<string, Found>()
  for (const sum of sums) {
    const { from, to, metric } = sum
    const key = [from.getTime(), ...dimensions.map(name => sum[name]), metric].join(' ')
    const groups = Object.fromEntries(dimensions.map(name => [name, sum[name] ?? null]))
    const row: Found = found.get(key) ?? { group: { from, to, ...groups, metric }, outcomes: {}, times: [] }
    found.set(key, row)
    if (sum.what === 'count') row.outcomes[sum.outcome] = (row.outcomes[sum.outcome] ?? 0) + sum.count
    else row.times.push(sum)
  }
  const place = ({ metric }: SlaSummaryRow) => SLA_METRICS.indexOf(metric)
  return [...found.values()]
    .map(({ group, outcomes, times }) => ({ ...group, ...numbersOf(outcomes), ...timesOf(times) }))
    .sort((a, b) => a.from.getTime() - b.from.getTime() || place(a) - place(b))
}

function numbersOf(outcomes: Found['outcomes']) {
  const counted = (measure: SlaMeasure) =>
    SLA_MEASURES[measure].reduce((sum, outcome) => sum + (outcomes[outcome] ?? 0), 0)
  const counts = Object.fromEntries(SLA_MEASURE_NAMES.map(name => [name, counted(name)])) as Record<SlaMeasure, number>
  return { attainment: attainmentOf(counts), ...counts }
}

function timesOf(times: SummedClockTimes[]) {
  const seconds = (ms: number | undefined) => (ms === undefined ? null : Math.round(ms) / 1000)
  const told = (['calendar', 'business'] as const).flatMap(what => {
    const { mean, ...buckets } = times.find(row => row.what === what) ?? ({} as Partial<SummedClockTimes>)
    const of = (name: 'p50' | 'p90' | 'p95') => {
      const bucket = buckets[name]
      return seconds(bucket === undefined ? undefined : valueOfBucket(bucket))
    }
    return [
      [`${what}_mean_seconds`, seconds(mean)],
      ...(['p50', 'p90', 'p95'] as const).map(name => [`${what}_${name}_seconds`, of(name)]),
    ]
  })
  return Object.fromEntries(told)
}
