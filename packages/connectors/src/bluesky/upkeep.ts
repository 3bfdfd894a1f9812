import { z } from 'zod'
import type { ConnectorContext, ReceivedEvent } from '../connector.ts'
import { XrpcFailure } from './errors.ts'
import type { Notification } from './notifications.ts'
import { findOurThreads, ourThread, readThread } from './quiet-replies.ts'
import type { BlueskySession } from './session.ts'
import { lookForDeletions, watch, watchedPost } from './watched-posts.ts'

/** What notifications do not tell is asked for beside them; kept in the channel's cursor. */
export const upkeepState = z.object({
  next_at: z.iso.datetime(),
  /** Counts the turns: deletions and threads take turns. */
  turn: z.int().min(0),
  feed_at: z.iso.datetime().nullable(),
  threads: z.array(ourThread),
  watched: z.array(watchedPost),
})
export type Upkeep = z.infer<typeof upkeepState>

/**
 * One thing a minute. All requests from one address share a limit of 3,000 in five minutes, so this costs a channel
 * five of them beside the forty that its polls take.
 */
const EVERY_MS = 60_000
const FEED_EVERY_MS = 30 * 60_000
const THREAD_EVERY_MS = 15 * 60_000

type Context = Pick<ConnectorContext, 'now'>
type Done = { upkeep: Upkeep; events: ReceivedEvent[] }

/** The state with what a page of notifications listed. */
export function remember(upkeep: Upkeep | null, items: Notification[], now: Date): Upkeep {
  const next_at = new Date(now.getTime() + EVERY_MS).toISOString()
  const state = upkeep ?? { next_at, turn: 0, feed_at: null, threads: [], watched: [] }
  const listed = items.flatMap(({ uri, at }) => (uri && at ? [{ uri, at }] : []))
  return { ...state, watched: watch(state.watched, listed, now) }
}

/**
 * Does what is due, at most one thing. What fails is due again at its next turn: it is no reason to stop reading what is
 * new, except when the network asks for quiet, which is told as `failed`.
 * @throws ChannelAuthError
 */
export async function keepUp(
  session: BlueskySession,
  upkeep: Upkeep,
  context: Context,
): Promise<Done & { failed?: XrpcFailure }> {
  const now = context.now()
  if (now < new Date(upkeep.next_at)) return { upkeep, events: [] }
  const next_at = new Date(now.getTime() + EVERY_MS).toISOString()
  // A copy: what was begun stays written down when it fails.
  const state = { ...structuredClone(upkeep), next_at, turn: upkeep.turn + 1 }
  try {
    return await doWhatIsDue(session, state, context)
  } catch (error) {
    if (!(error instanceof XrpcFailure)) throw error
    return { upkeep: state, events: [], ...(error.status === 429 ? { failed: error } : {}) }
  }
}

async function doWhatIsDue(session: BlueskySession, state: Upkeep, context: Context): Promise<Done> {
  const now = context.now().getTime()
  if (state.feed_at === null || now - Date.parse(state.feed_at) >= FEED_EVERY_MS) {
    // Written down first: a feed that cannot be read must not keep the rest from its turn.
    state.feed_at = new Date(now).toISOString()
    const threads = await findOurThreads(session, state.threads, context)
    return { upkeep: { ...state, threads }, events: [] }
  }
  const thread = state.threads
    .filter(({ read_at }) => read_at === null || now - read_at >= THREAD_EVERY_MS)
    .toSorted((a, b) => (a.read_at ?? 0) - (b.read_at ?? 0))[0]
  if (thread && (state.turn % 2 === 1 || state.watched.length === 0)) {
    thread.read_at = now
    const events = await readThread(session, thread, context)
    const threads = events ? state.threads : state.threads.filter(({ rkey }) => rkey !== thread.rkey)
    return { upkeep: { ...state, threads }, events: events ?? [] }
  }
  if (state.watched.length === 0) return { upkeep: state, events: [] }
  const { watched, events } = await lookForDeletions(session, state.watched, context)
  return { upkeep: { ...state, watched }, events }
}
