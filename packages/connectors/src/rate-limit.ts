import { retryAfterMs } from './retry-after.ts'

/** No known limit runs longer: what names a later time is in another unit, or nonsense. */
const LONGEST_RESET_MS = 24 * 3_600_000
/** Their clock and ours are not the same. */
const MARGIN_MS = 1_000

/**
 * When a limit begins anew, by the `RateLimit-Reset` of an answer, with or without `X-` before it; null when that names
 * no time to come. Bluesky gives Unix seconds, Mastodon an instant.
 */
export function resetAt(headers: Headers, now: Date): Date | null {
  const header = fieldOf(headers, 'reset')
  const reset = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header)
  const wait = reset - now.getTime()
  return wait > 0 && wait <= LONGEST_RESET_MS ? new Date(reset + MARGIN_MS) : null
}

/**
 * When the next call may be made, by an answer that says how much of its limit is left; null while that is enough.
 * @param cost what a call takes of the limit
 */
export function usedUpUntil(headers: Headers, now: Date, cost = 1): Date | null {
  const remaining = fieldOf(headers, 'remaining')
  return /^\d+$/.test(remaining) && Number(remaining) < cost ? resetAt(headers, now) : null
}

/** What a Retry-After asks for; null when there is none, or nonsense. */
export function retryAfterAt(headers: Headers, now: Date): Date | null {
  const after = retryAfterMs(headers.get('retry-after'), now)
  return after === null ? null : new Date(now.getTime() + after)
}

function fieldOf(headers: Headers, name: 'remaining' | 'reset'): string {
  return headers.get(`ratelimit-${name}`) ?? headers.get(`x-ratelimit-${name}`) ?? ''
}
