import type { Traits } from './model.ts'

/** Counts calls per token. Reset is an instant with microseconds, and there is no Retry-After, as on Mastodon. */
export class Limits {
  readonly #windows = new Map<string, { ends: number; used: number }>()

  count(token: string, { rate_limit, rate_window_ms }: Traits) {
    const now = Date.now()
    const before = this.#windows.get(token)
    const window = before && before.ends > now ? before : { ends: now + rate_window_ms, used: 0 }
    window.used += 1
    this.#windows.set(token, window)
    return {
      exceeded: window.used > rate_limit,
      headers: limitHeaders(rate_limit, Math.max(0, rate_limit - window.used), new Date(window.ends)),
    }
  }
}

export function limitHeaders(limit: number, remaining: number, reset: Date): Record<string, string> {
  return {
    'X-RateLimit-Limit': String(limit),
    'X-RateLimit-Remaining': String(remaining),
    'X-RateLimit-Reset': reset.toISOString().replace('Z', '000Z'),
  }
}
