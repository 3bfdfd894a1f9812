import {
  findReportsReadUpTo,
  listReportNames,
  type ReportGroup,
  type ReportSelection,
  readAlikeReplies,
  readCounts,
  readSumsByIndex,
  readTimes,
  type SummedCount,
  type SummedTimes,
  type Trx,
} from '@parley/db'
import {
  DomainError,
  REPORT_DEFINITIONS,
  REPORT_DIMENSIONS,
  REPORT_MEASURES,
  type ReportDefinition,
  type ReportDimension,
  type ReportMeasure,
  type ReportName,
  valueOfBucket,
} from '@parley/domain'
import { REPORTS_FEED } from './rebuild-reports.ts'

/** More rows than this are no report. */
const MAX_ROWS = 10_000
/** Of each row there are so many counts at most, but for reasons. */
const MAX_COUNTS = MAX_ROWS * 20

export type ReportQuery = Omit<ReportSelection, 'dimensions'> & { group_by: ReportDimension[] }
export type ReportRow = ReportGroup & Record<string, unknown>

/**
 * A report: a row for each period and group in which there was something. Times are in seconds, and null where there was
 * none. `as_of` tells up to when the log was read: null while it was not.
 * @throws DomainError `validation_failed` for one of too many rows
 */
export async function readReport(trx: Trx, report: ReportName, { group_by, ...query }: ReportQuery, now: Date) {
  const definition = REPORT_DEFINITIONS[report]
  const wanted = new Set([...definition.always, ...group_by])
  // In one order, whatever theirs was.
  const dimensions = REPORT_DIMENSIONS.filter(dimension => wanted.has(dimension))
  const selection = { ...query, dimensions }
  await readSumsByIndex(trx)
  const as_of = (await findReportsReadUpTo(trx, REPORTS_FEED, now)) ?? null
  const measures = [...new Set(definition.measures.map(name => REPORT_MEASURES[name].measure))]
  const [counts, times] = await Promise.all([
    readCounts(trx, selection, measures, MAX_COUNTS),
    definition.times.length === 0
      ? []
      : readTimes(
          trx,
          selection,
          definition.times.map(({ measure }) => measure),
          MAX_COUNTS,
        ),
  ])
  const rows = rowsOf(report, definition, dimensions, counts, times)
  if (rows.length > MAX_ROWS || counts.length === MAX_COUNTS)
    throw new DomainError('validation_failed', 'These are more than 10,000 rows: ask for less at once.')
  const ids = rows.flatMap(row => dimensions.flatMap(dimension => row[dimension] ?? []))
  const names = Object.fromEntries(await listReportNames(trx, [...new Set(ids)]))
  return { cohort: definition.cohort, as_of, rows, names, ...(await readMore(trx, report, selection)) }
}

type Counted = Record<string, number>
type Found = { group: ReportGroup; counted: Counted; reasons: Counted; times: SummedTimes[] }

function rowsOf(
  report: ReportName,
  { measures, times: timed }: ReportDefinition,
  dimensions: ReportDimension[],
  counts: SummedCount[],
  times: SummedTimes[],
): ReportRow[] {
  const found = new Map<string, Found>()
  const at = (row: ReportGroup) => {
    const key = [row.from.getTime(), ...dimensions.map(dimension => row[dimension])].join(' ')
    const group = {
      from: row.from,
      to: row.to,
      ...Object.fromEntries(dimensions.map(name => [name, row[name] ?? null])),
    }
    const known: Found = found.get(key) ?? { group, counted: {}, reasons: {}, times: [] }
    found.set(key, known)
    return known
  }
  for (const row of counts) {
    const { counted, reasons } = at(row)
    for (const name of measures) if (isIn(name, row)) counted[name] = (counted[name] ?? 0) + row.count
    if (row.reason !== '') reasons[row.reason] = (reasons[row.reason] ?? 0) + row.count
  }
  for (const row of times) at(row).times.push(row)
  const statistics = (rows: SummedTimes[]) =>
    Object.assign(
      {},
      ...timed.map(({ measure, prefix }) =>
        inSeconds(
          prefix,
          rows.find(row => row.measure === measure),
        ),
      ),
    )
  return [...found.values()]
    .map(({ group, counted, reasons, times }) => ({
      ...group,
      ...Object.fromEntries(measures.map(name => [name, counted[name] ?? 0])),
      ...statistics(times),
      ...(report === 'coverage' ? { reasons: sorted(reasons) } : {}),
    }))
    .sort((a, b) => a.from.getTime() - b.from.getTime())
}

function isIn(name: ReportMeasure, { measure, outcome }: SummedCount): boolean {
  const counted = REPORT_MEASURES[name]
  return counted.measure === measure && (counted.outcome === undefined || counted.outcome === outcome)
}

const sorted = (reasons: Counted) =>
  Object.entries(reasons)
    .map(([reason, count]) => ({ reason, count }))
    .sort((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1))

function inSeconds(prefix: string, times: SummedTimes | undefined) {
  const seconds = (ms: number | undefined) => (ms === undefined ? null : Math.round(ms) / 1000)
  const of = (bucket: number | undefined) => seconds(bucket === undefined ? undefined : valueOfBucket(bucket))
  return {
    [`${prefix}mean_seconds`]: seconds(times?.mean),
    [`${prefix}p50_seconds`]: of(times?.p50),
    [`${prefix}p90_seconds`]: of(times?.p90),
    [`${prefix}p95_seconds`]: of(times?.p95),
  }
}

/** What stands beside coverage: how deep conversations went that began in the period, and how alike its replies were. */
async function readMore(trx: Trx, report: ReportName, selection: ReportSelection) {
  if (report !== 'coverage') return {}
  const whole = { ...selection, interval: 'none' as const, dimensions: [] }
  const [[depth], alike] = await Promise.all([readTimes(trx, whole, ['depth'], 1), readAlikeReplies(trx, whole)])
  const { replies } = alike
  return {
    depth: {
      conversations: depth?.count ?? 0,
      turns_mean: depth?.mean ?? null,
      turns_p50: depth?.p50 ?? null,
      turns_p90: depth?.p90 ?? null,
    },
    copy_paste: { ...alike, share: replies === 0 ? null : alike.alike / replies },
  }
}
