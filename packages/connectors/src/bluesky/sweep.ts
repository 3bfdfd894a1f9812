import { z } from 'zod'
import { upkeepState } from './upkeep.ts'

/**
 * Reading the notifications from the newest into the past until `until` is behind us. There is no "since" cursor, and
 * the list is ordered by what authors declare, not by arrival, so stopping at the first known item would lose posts
 * that were indexed late or dated back.
 */
export const sweep = z.object({
  started_at: z.iso.datetime(),
  until: z.iso.datetime(),
  pages: z.int().min(0),
  max_pages: z.int().min(1).nullable(),
  page_cursor: z.string().nullable(),
  oldest_at: z.iso.datetime().nullable().default(null),
  /** Pages in a row that brought nothing older. */
  stalled: z.int().min(0).default(0),
  /** How often the network did not take the page cursor any more. */
  restarts: z.int().min(0).default(0),
})
export type Sweep = z.infer<typeof sweep>

/**
 * What the channel keeps between polls. `head` reads what is new, `deep` re-reads a week now and then, `upkeep` asks
 * for what is not notified.
 */
export const pollCursor = z.object({
  last_polled_at: z.iso.datetime().nullable(),
  head: sweep.nullable(),
  last_deep_at: z.iso.datetime().nullable(),
  deep: sweep.nullable(),
  upkeep: upkeepState.nullable().catch(null),
})
export type PollCursor = z.infer<typeof pollCursor>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

const OVERLAP_MS = HOUR_MS
const DEEP_EVERY_MS = 6 * HOUR_MS
const DEEP_MS = 7 * DAY_MS
const MIN_PAGES = 2
/** Re-reading a week: of 100 notifications each, more than a brand gets in a bad one. */
const MAX_DEEP_PAGES = 1000
/** A server that never says "end" is followed this far. Empty pages are many where it counts likes and leaves them out. */
const MAX_STALLED = 1000
const MAX_RESTARTS = 3
/** The first poll of a channel brings at most a week, and at most 5,000 notifications. */
const MAX_FIRST_PAGES = 50

/** A cursor that cannot be read starts over: the ledger knows what it has. */
export function readCursor(cursor: Record<string, unknown> | null): PollCursor {
  const parsed = pollCursor.safeParse(cursor)
  return parsed.success
    ? parsed.data
    : { last_polled_at: null, head: null, last_deep_at: null, deep: null, upkeep: null }
}

/** Reads down to an hour before the last poll began, however many pages that takes: only then may its place move. */
export function startHead({ last_polled_at }: PollCursor, now: Date): Sweep {
  if (last_polled_at === null) return startSweep(now, DEEP_MS, MAX_FIRST_PAGES)
  return startSweep(now, now.getTime() - Date.parse(last_polled_at) + OVERLAP_MS, null)
}

/** The first poll is a deep sweep by itself, so the next one is due six hours later. */
export function startDeep({ last_deep_at }: PollCursor, now: Date): Sweep | null {
  const due = last_deep_at !== null && now.getTime() - Date.parse(last_deep_at) >= DEEP_EVERY_MS
  return due ? startSweep(now, DEEP_MS, MAX_DEEP_PAGES) : null
}

function startSweep(now: Date, lengthMs: number, max_pages: number | null): Sweep {
  const until = new Date(now.getTime() - Math.max(lengthMs, OVERLAP_MS)).toISOString()
  const nothing = { pages: 0, page_cursor: null, oldest_at: null, stalled: 0, restarts: 0 }
  return { started_at: now.toISOString(), until, max_pages, ...nothing }
}

/** The network did not take the page cursor: the same sweep from the top. */
export function restart(sweep: Sweep): Sweep {
  return { ...sweep, pages: 0, page_cursor: null, oldest_at: null, stalled: 0, restarts: sweep.restarts + 1 }
}

/**
 * The sweep after one more page. `done` at the end of the list, which is a missing cursor and nothing else; or after at
 * least two pages, once one item is older than the window. `stuck` when the network leads nowhere.
 */
export function advance(sweep: Sweep, page: { cursor: string | null; oldest: Date | null }): Sweep | 'done' | 'stuck' {
  const pages = sweep.pages + 1
  const { cursor, oldest } = page
  if (cursor === null) return 'done'
  if (pages >= MIN_PAGES && oldest !== null && oldest < new Date(sweep.until)) return 'done'
  if (sweep.max_pages !== null && pages >= sweep.max_pages) return 'done'
  // An empty page that leads to itself is an end, too.
  if (cursor === sweep.page_cursor) return oldest === null ? 'done' : 'stuck'
  const older = oldest !== null && (sweep.oldest_at === null || oldest < new Date(sweep.oldest_at))
  const stalled = older ? 0 : sweep.stalled + 1
  if (stalled >= MAX_STALLED || sweep.restarts > MAX_RESTARTS) return 'stuck'
  return { ...sweep, pages, page_cursor: cursor, stalled, oldest_at: older ? oldest.toISOString() : sweep.oldest_at }
}
