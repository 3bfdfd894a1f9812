import { z } from 'zod'

const instant = z.iso.datetime()
/** A notification as a place in the list. */
const place = z.object({ id: z.string(), at: instant.nullable() })
export type Place = z.infer<typeof place>

/** A message that came lately: its thread, so that answers to it need no look-up, and its version, to notice an edit. */
const knownPost = z.object({
  id: z.string(),
  root: z.string(),
  root_is_ours: z.boolean(),
  type: z.string(),
  version: z.string().nullable(),
})
export type KnownPost = z.infer<typeof knownPost>

/** Reading from the newest notification back to `until`: on the first poll, and where the server knows no other way. */
const walk = z.object({
  newest: place.nullable(),
  until: place,
  /** The address of the next page; null for the first. */
  next: z.string().nullable(),
  last_id: z.string().nullable(),
  pages: z.int().min(0),
})
export type Walk = z.infer<typeof walk>

export const pollCursor = z.object({
  /** The newest notification of which everything is stored. */
  place: place.nullable(),
  /** The server does not heed `min_id`: what is new is found from the newest back. */
  reads_back: z.boolean(),
  walk: walk.nullable(),
  /** The notification whose thread could not be looked up, and how often. */
  stuck: z.object({ id: z.string(), failures: z.int() }).nullable(),
  /** Newest last. */
  known: z.array(knownPost),
  /** When the server's own limits were last looked up; null until a poll has begun to count. */
  facts_at: instant.nullable().default(null),
  reread: z.object({ at: instant.nullable(), next: z.int().min(0), absent: z.boolean() }),
})
export type PollCursor = z.infer<typeof pollCursor>

/** So few that the cursor, which is written with every page, stays small. */
const MAX_KNOWN = 200

const BLANK: PollCursor = {
  place: null,
  reads_back: false,
  walk: null,
  stuck: null,
  known: [],
  facts_at: null,
  reread: { at: null, next: 0, absent: false },
}

/** A cursor that cannot be read starts over: the ledger knows what it has. */
export function readCursor(cursor: Record<string, unknown> | null): PollCursor {
  return pollCursor.safeParse(cursor).data ?? BLANK
}

/** With newer posts in the place of older ones. */
export function withKnown(known: KnownPost[], posts: KnownPost[]): KnownPost[] {
  const ids = new Set(posts.map(({ id }) => id))
  return [...known.filter(({ id }) => !ids.has(id)), ...posts].slice(-MAX_KNOWN)
}
