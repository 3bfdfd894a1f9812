const LONGEST_MS = 24 * 3_600_000

/**
 * The wait that a Retry-After header asks for, in milliseconds: seconds or a date (RFC 9110, 10.2.3). Null for nonsense
 * and for what has passed already; a day is the most.
 */
export function retryAfterMs(header: string | null, now: Date): number | null {
  const text = header ?? ''
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : untilDate(text, now)
  return ms > 0 ? Math.min(ms, LONGEST_MS) : null
}

/** `Date.parse` alone would read a date into almost anything: "-5" is the first of May 2001. */
function untilDate(header: string, now: Date): number {
  return /^[A-Z][a-z]{2,8}, .+ GMT$/.test(header) ? Date.parse(header) - now.getTime() : Number.NaN
}
