import { type RatioKey, RULES, type Rule } from './ratios.ts'

/** A ratio as the JSON file holds it. The three numbers are null where the ratio was not run. */
export type Ratio = {
  value: number | null
  bar: number | null
  ok: boolean
  min: number | null
  max: number | null
  runs: number
}

/** An absolute number beside the ratios. It says something about this machine, and nothing about another one. */
export type Figure = { name: string; unit: string; values: number[] }

/** What was measured, run by run. A key without values was not run, for the reason in `notRun`. */
export type Results = {
  samples: Partial<Record<RatioKey, number[]>>
  notRun: Partial<Record<RatioKey, string>>
  figures: Figure[]
}

/** @throws RangeError for no values */
export function median(values: number[]): number {
  return percentile(values, 0.5)
}

/**
 * The value that a share `p` of the values does not exceed: the nearest rank, so one that was really measured; the
 * median of an even number of values is the mean of the middle two.
 * @throws RangeError for no values
 */
export function percentile(values: number[], p: number): number {
  if (values.length === 0) throw new RangeError('no values')
  const sorted = Float64Array.from(values).sort()
  const rank = Math.max(1, Math.ceil(p * sorted.length))
  const value = sorted[rank - 1]!
  return p === 0.5 && sorted.length % 2 === 0 ? (value + sorted[rank]!) / 2 : value
}

/** Judges the median of the runs by its rule. A ratio that was not run is not ok, whatever its bar. */
export function judge({ bar, better }: Pick<Rule, 'bar' | 'better'>, samples: number[]): Ratio {
  if (samples.length === 0) return { value: null, bar, ok: false, min: null, max: null, runs: 0 }
  const value = median(samples)
  const ok = bar === null || (better === 'higher' ? value >= bar : value <= bar)
  return { value, bar, ok, min: Math.min(...samples), max: Math.max(...samples), runs: samples.length }
}

/** The ratios that were asked for, by key: what `--json` writes. */
export function toJson({ samples, notRun }: Results): { ratios: Partial<Record<RatioKey, Ratio>> } {
  const keys = (Object.keys(RULES) as RatioKey[]).filter(key => samples[key] || notRun[key])
  return { ratios: Object.fromEntries(keys.map(key => [key, judge(RULES[key], samples[key] ?? [])])) }
}

/** The ratios and below them the absolute numbers, for a terminal. */
export function toTable(results: Results): string {
  const ratios = Object.entries(toJson(results).ratios) as [RatioKey, Ratio][]
  const rows = ratios.map(([key, ratio]) => [
    key,
    ratio.value === null ? 'not run' : digits(ratio.value),
    ratio.min === null || ratio.max === null ? '' : `${digits(ratio.min)} – ${digits(ratio.max)}`,
    describeBar(RULES[key]),
    ratio.ok ? 'ok' : 'NOT OK',
    results.notRun[key] ?? RULES[key].meaning,
  ])
  const figures = results.figures.map(({ name, unit, values }) => [
    name,
    digits(median(values)),
    `${digits(Math.min(...values))} – ${digits(Math.max(...values))}`,
    unit,
  ])
  return [
    ...align([['ratio', 'median', 'range', 'bar', '', 'what over what'], ...rows]),
    '',
    ...align([['for orientation', 'median', 'range', ''], ...figures]),
    '',
  ].join('\n')
}

function describeBar({ bar, better }: Rule): string {
  return bar === null ? `none (${better} is better)` : better === 'higher' ? `at least ${bar}` : `at most ${bar}`
}

/** Three significant digits; whole numbers from a thousand on. */
function digits(value: number): string {
  return value >= 1000 ? Math.round(value).toString() : Number(value.toPrecision(3)).toString()
}

function align(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}
