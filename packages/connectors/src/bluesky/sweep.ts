import { z } from 'zod'

/**
 * Reading the notifications from the newest into the past until `until` is behind us. There is no "since" cursor, and
 * the list is ordered by what authors declare, not by arrival, so stopping at the first known item would lose posts
 * that were indexed late or dated back.
 */
export const sweep = z.object({
  started_at: z.iso.datetime(),
  until: z.iso.datetime(),
  pages: z.int().min(0),
  max_pages: z.int().min(1),
  page_cursor: z.string().nullable(),
})
export type Sweep = z.infer<typeof sweep>

/** What the channel keeps between polls. `head` reads what is new, `deep` re-reads a week now and then. */
export const pollCursor = z.object({
  last_polled_at: z.iso.datetime().nullable(),
  head: sweep.nullable(),
  last_deep_at: z.iso.datetime().nullable(),
  deep: sweep.nullable(),
})
export type PollCursor = z.infer<typeof pollCursor>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

const OVERLAP_MS = HOUR_MS
const DEEP_EVERY_MS = 6 * HOUR_MS
const DEEP_MS = 7 * DAY_MS
const MIN_PAGES = 2
/** Of 100 notifications each: more than a brand gets in a bad week, and an end to a server that never says "end". */
const MAX_PAGES = 1000
/** The first poll of a channel brings at most a week, and at most 5,000 notifications. */
const MAX_FIRST_PAGES = 50

/** A cursor that cannot be read starts over: the ledger knows what it has. */
export function readCursor(cursor: Record<string, unknown> | null): PollCursor {
  const parsed = pollCursor.safeParse(cursor)
  return parsed.success ? parsed.data : { last_polled_at: null, head: null, last_deep_at: null, deep: null }
}

export function startHead({ last_polled_at }: PollCursor, now: Date): Sweep {
  if (last_polled_at === null) return startSweep(now, DEEP_MS, MAX_FIRST_PAGES)
  return startSweep(now, now.getTime() - Date.parse(last_polled_at) + OVERLAP_MS, MAX_PAGES)
}

/** The first poll is a deep sweep by itself, so the next one is due six hours later. */
export function startDeep({ last_deep_at }: PollCursor, now: Date): Sweep | null {
  const due = last_deep_at !== null && now.getTime() - Date.parse(last_deep_at) >= DEEP_EVERY_MS
  return due ? startSweep(now, DEEP_MS, MAX_PAGES) : null
}

function startSweep(now: Date, lengthMs: number, max_pages: number): Sweep {
  const until = new Date(now.getTime() - Math.max(lengthMs, OVERLAP_MS)).toISOString()
  return { started_at: now.toISOString(), until, pages: 0, max_pages, page_cursor: null }
}

/**
 * The sweep after one more page, null when it is over: at the end of the list, which is a missing cursor and nothing
 * else; or after at least two pages, once one item is older than the window.
 */
export function advance(sweep: Sweep, page: { cursor: string | null; oldest: Date | null }): Sweep | null {
  const pages = sweep.pages + 1
  if (page.cursor === null || page.cursor === sweep.page_cursor || pages >= sweep.max_pages) return null
  const passed = page.oldest !== null && page.oldest.getTime() < Date.parse(sweep.until)
  return passed && pages >= MIN_PAGES ? null : { ...sweep, pages, page_cursor: page.cursor }
}
