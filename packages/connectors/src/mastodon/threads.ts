import type { ConnectedChannel, ConnectorContext, ReceivedEvent } from '../connector.ts'
import { storable } from '../text/storable.ts'
import { describe, failureOf, idIn, MastodonFailure } from './client.ts'
import { type KnownPost, withKnown } from './cursor.ts'
import { contextEntity, type StatusEntity, statusEntity } from './entities.ts'
import { factsOf } from './facts.ts'
import { hash, isForTheInbox, type Notification } from './notifications.ts'
import type { MastodonSession } from './session.ts'
import type { StoredPayload } from './stored.ts'

/** Looking up one thread after another goes on for so long, and what is left waits for the next page. */
const BUDGET_MS = 12_000
const LOOK_UP_MS = 8_000
/** After that many failures a message goes to its parent's thread: it must not keep back what came after it. */
const MAX_FAILURES = 3

export type Placing = {
  session: MastodonSession
  context: ConnectorContext
  our: { our_id: string; host: string | null }
}

/** @throws Error for a channel whose account is not known yet: nothing could be told apart from our own */
export function ourOf({ external_id, network_facts }: ConnectedChannel): Placing['our'] {
  if (external_id === null) throw new Error('the account of this channel is not known')
  return { our_id: external_id, host: factsOf({ network_facts }).host }
}

type Thread = { root: string; root_is_ours: boolean; parent_is_ours: boolean }

export type Placed = {
  events: ReceivedEvent[]
  known: KnownPost[]
  /** How many of the notifications were dealt with, from the oldest on. */
  done: number
  stuck: { id: string; failures: number } | null
  failed?: MastodonFailure
}

/**
 * Makes events of notifications, oldest first, each with the thread it belongs to, which only the network knows.
 * @throws ChannelAuthError
 */
export async function placeAll(
  placing: Placing,
  oldestFirst: Notification[],
  before: { known: KnownPost[]; stuck: Placed['stuck'] },
): Promise<Placed> {
  const until = placing.context.now().getTime() + BUDGET_MS
  let { known } = before
  const events: ReceivedEvent[] = []
  const placed = (done: number, rest: Pick<Placed, 'stuck' | 'failed'>): Placed => ({
    events: uniqueEvents(events),
    known,
    done,
    ...rest,
  })
  let placedNow = 0
  for (const [done, notification] of oldestFirst.entries()) {
    if (!isForTheInbox(notification)) continue
    if (!isKnown(notification, known)) {
      // One at least, so that even a slow server is read to its end.
      if (placedNow > 0 && placing.context.now().getTime() >= until) return placed(done, { stuck: null })
      placedNow += 1
    }
    const id = notification.place?.id ?? ''
    const failures = before.stuck?.id === id ? before.stuck.failures : 0
    try {
      const event = await place(placing, notification, known, failures >= MAX_FAILURES)
      events.push(event.received)
      if (event.post) known = withKnown(known, [event.post])
    } catch (error) {
      if (!(error instanceof MastodonFailure)) throw error
      // A limit says nothing about this message.
      const counted = error.status === 429 ? failures : failures + 1
      return placed(done, { stuck: { id, failures: counted }, failed: error })
    }
  }
  return placed(oldestFirst.length, { stuck: null })
}

/** Placed already: its page is read again where there was no time for all of it. */
function isKnown({ status }: Notification, known: KnownPost[]): boolean {
  const { data } = statusEntity.safeParse(status)
  return data !== undefined && known.some(({ id }) => id === data.id)
}

async function place(placing: Placing, { type, status }: Notification, known: KnownPost[], blindly: boolean) {
  const parsed = statusEntity.safeParse(status)
  if (!parsed.success) {
    const payload = { ...placing.our, type, thread: null, status: status ?? null }
    return { received: { dedup_key: `unreadable:${hash(status ?? null)}`, thread_key: null, payload } }
  }
  const thread = await findThread(placing, parsed.data, known, blindly)
  const post: KnownPost = { ...versionOf(parsed.data), root: thread.root, root_is_ours: thread.root_is_ours, type }
  return { received: postEvent(placing.our, post, thread.parent_is_ours, status), post }
}

/** A message is one event per version, whatever it was that told of it. */
export function postEvent(
  our: Placing['our'],
  { id, version, root, root_is_ours, type }: KnownPost,
  parent_is_ours: boolean,
  status: unknown,
): ReceivedEvent {
  const payload: StoredPayload = { ...our, type, thread: { root, root_is_ours, parent_is_ours }, status }
  return { dedup_key: `${id}#${version ?? ''}`, thread_key: storable(root), payload }
}

export function versionOf({ id, edited_at }: StatusEntity) {
  return { id, version: edited_at ?? null }
}

async function findThread(
  { session, context, our: { our_id } }: Placing,
  status: StatusEntity,
  known: KnownPost[],
  blindly: boolean,
): Promise<Thread> {
  const parent_id = status.in_reply_to_id
  if (!parent_id) return { root: status.id, root_is_ours: status.account.id === our_id, parent_is_ours: false }
  // Of self-replies the network tells the account that began them.
  const told = status.in_reply_to_account_id === our_id
  // Itself first: its page may be read again.
  const parent = known.find(({ id }) => id === status.id) ?? known.find(({ id }) => id === parent_id)
  if (parent) return { root: parent.root, root_is_ours: parent.root_is_ours, parent_is_ours: told }
  const fallback = { root: parent_id, root_is_ours: told, parent_is_ours: told }
  if (blindly) return fallback
  const answer = await session.call({
    path: `/api/v1/statuses/${idIn(status.id)}/context`,
    timeout_ms: LOOK_UP_MS,
  })
  // Deleted, or not for us, since it was listed.
  if (answer.status === 404 || answer.status === 410 || answer.status === 403) return fallback
  if (!answer.ok) throw failureOf(answer, context.now())
  const found = contextEntity.safeParse(answer.body)
  if (!found.success)
    throw new MastodonFailure(`${answer.name}: the answer is not understood: ${describe(answer)}`, answer.status, null)
  const { ancestors } = found.data
  const parent_is_ours = told || ancestors.at(-1)?.account?.id === our_id
  // A post in between that is deleted cuts the thread: its messages stay where they were.
  const kept = ancestors.findLast(({ id }) => known.some(post => post.id === id || post.root === id))
  const post = kept && known.find(({ id, root }) => id === kept.id || root === kept.id)
  if (post) return { root: post.root, root_is_ours: post.root_is_ours, parent_is_ours }
  const [root] = ancestors
  if (!root) return { ...fallback, parent_is_ours }
  return { root: root.id, root_is_ours: root.account?.id === our_id, parent_is_ours }
}

/** The events of a page, each once: a message that mentions and quotes is listed for both. */
function uniqueEvents(events: ReceivedEvent[]): ReceivedEvent[] {
  const unique = new Map<string, ReceivedEvent>()
  for (const event of events) if (!unique.has(event.dedup_key)) unique.set(event.dedup_key, event)
  return [...unique.values()]
}
