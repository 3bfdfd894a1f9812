/** Over so many minutes, the running one among them, a post's rate is taken. */
export const SURGE_WINDOW_MINUTES = 5
/** So many minutes before that tell what is usual for the post, or as many as it has. */
export const SURGE_BASELINE_MINUTES = 360
/** Nothing is usual yet for a post that was there for less. */
const MIN_BASELINE_MINUTES = 10
/** Fewer messages in the window are never a surge. */
const MIN_COUNT = 20
const FACTOR = 3
const DEVIATIONS = 6
/** A surge goes on while the rate is still so many times what was usual before it, and for as long after that. */
const STILL_FACTOR = 2
const LULL_MINUTES = 10

const MINUTE_MS = 60_000
export const minuteOf = (at: Date): number => Math.floor(at.getTime() / MINUTE_MS)

/** Why a post surges: rates are messages per minute. */
export type Surge = {
  since: string
  rate_per_minute: number
  baseline_per_minute: number
  deviation_per_minute: number
  /** How many times the usual rate; null where nothing was usual. */
  factor: number | null
  count: number
  window_minutes: number
  baseline_minutes: number
}

export type SurgeState = { surge: Surge; until: Date }

/**
 * Whether a post's rate has left its own baseline, from its messages in each minute. A window surges when it has at least
 * twenty messages, three times what is usual, and six deviations more than that; the deviation is that of counts by
 * chance, or the one seen, whichever is greater. So no steady rate surges, whatever it is, and no small number does.
 * @param counts messages by minute since 1970
 * @param born when the post could first get messages: quiet minutes count since then
 * @param before the last surge, which goes on if this is part of it
 * @returns the surge that goes on at `now`, the same as `before` when it is that one; undefined for none
 */
export function surgeOf(
  counts: ReadonlyMap<number, number>,
  born: Date,
  before: SurgeState | undefined,
  now: Date,
): SurgeState | undefined {
  const current = minuteOf(now)
  const begin = current - SURGE_WINDOW_MINUTES + 1
  const count = sum(countsIn(counts, begin, current))
  const until = new Date(now.getTime() + LULL_MINUTES * MINUTE_MS)
  if (before && before.until > now) {
    const usual = before.surge.baseline_per_minute * SURGE_WINDOW_MINUTES
    const goesOn = count >= MIN_COUNT / 2 && count >= STILL_FACTOR * usual
    return goesOn ? { surge: before.surge, until } : before
  }
  const baseline = countsIn(counts, Math.max(minuteOf(born) + 1, begin - SURGE_BASELINE_MINUTES), begin - 1)
  if (baseline.length < MIN_BASELINE_MINUTES) return undefined
  const mean = sum(baseline) / baseline.length
  const seen = Math.sqrt(sum(baseline.map(one => (one - mean) ** 2)) / baseline.length)
  const deviation = Math.max(Math.sqrt(mean), seen)
  const usual = mean * SURGE_WINDOW_MINUTES
  // The mean of few minutes is itself a guess.
  const doubt = Math.sqrt(SURGE_WINDOW_MINUTES + SURGE_WINDOW_MINUTES ** 2 / baseline.length)
  if (count < MIN_COUNT || count < FACTOR * usual || count - usual < DEVIATIONS * deviation * doubt) return undefined
  const surge = {
    since: now.toISOString(),
    rate_per_minute: rounded(count / SURGE_WINDOW_MINUTES),
    baseline_per_minute: rounded(mean),
    deviation_per_minute: rounded(deviation),
    factor: mean > 0 ? rounded(count / usual) : null,
    count,
    window_minutes: SURGE_WINDOW_MINUTES,
    baseline_minutes: baseline.length,
  }
  return { surge, until }
}

function countsIn(counts: ReadonlyMap<number, number>, from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => counts.get(from + index) ?? 0)
}

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
const rounded = (number: number) => Math.round(number * 1_000) / 1_000
