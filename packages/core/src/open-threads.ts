import { type Channel, type Conversation, type NewEvent, newId, type ThreadConversation } from '@parley/db'
import { beginsAnew, clockTime, SYSTEM } from '@parley/domain'
import type { PostOf } from './place-on-posts.ts'
import type { Arrival } from './read-batch.ts'
import type { Promises } from './sla/promises.ts'

export type NewConversation = Pick<
  Conversation,
  | 'id'
  | 'number'
  | 'inbox_id'
  | 'channel_id'
  | 'contact_id'
  | 'thread_key'
  | 'post_id'
  | 'subject'
  | 'status'
  | 'waiting_since'
  | 'next_due_at'
  | 'last_message_at'
  | 'first_message_at'
  | 'first_external_id'
  | 'resolved_at'
  | 'version'
  | 'created_at'
  | 'updated_at'
  | 'follows_id'
>

export type OpenedThreads = {
  created: NewConversation[]
  /** Where a message belongs, of the existing or the created ones. */
  conversationOf: (message: Arrival) => NewConversation | Conversation
  /** The row that holds the message's thread, where that is told in the conversation of another thread; null: its own. */
  threadOf: (message: Arrival) => string | null
  /** Those that are followed by a created one, with the rows that held their threads. */
  followed: { holder_id: string; id: string; followed_by_id: string }[]
  events: NewEvent[]
}

/**
 * Begins the conversations of threads that have none yet, or whose last one was resolved too long before, in the order they
 * were spoken. An answer to a message that was split off goes where that is; everything else to its thread.
 * @param messages new messages in the order of the thread
 * @param conversations those that are there already
 * @param promises what may be promised in the channel
 * @param reopen_window_seconds for how long it opens resolved conversations again; null: always
 */
export function openThreads(
  channel: Channel,
  messages: Arrival[],
  conversations: ThreadConversation[],
  tombstones: Map<string, Date>,
  contactOf: (external_id: string) => string,
  postOf: PostOf,
  nextNumber: () => number,
  promises: Promises,
  reopen_window_seconds: number | null,
  now: Date,
): OpenedThreads {
  const existing = new Map(conversations.flatMap(row => Object.keys(row.threads).map(key => [key, row] as const)))
  const apart = placeApart(messages, conversations)
  const told = messages.filter(message => !apart.has(message.external_id))
  const predecessors = new Map<string, ThreadConversation>()
  for (const [thread_key, before] of existing) {
    const said = told.filter(message => message.thread_key === thread_key && asksForAnswer(message, tombstones))
    const first = Math.min(...said.map(message => clockOf(channel, message).getTime()))
    if (said.length > 0 && beginsAnew(before, new Date(first), reopen_window_seconds))
      predecessors.set(thread_key, before)
  }
  const created = new Map<string, NewConversation>()
  const followed: OpenedThreads['followed'] = []
  const events: NewEvent[] = []
  for (const [thread_key, thread] of groupNew(told, existing, predecessors)) {
    const before = predecessors.get(thread_key)
    const customers = thread.filter(message => !message.from_us)
    // Who wrote first names the customer and the subject. Where only we have spoken, nobody does yet.
    const first = customers[0]
    const status = !first ? 'pending' : customers.every(message => message.history) ? 'resolved' : 'open'
    const waiting_since = waitingSince(channel, customers, tombstones)
    const conversation: NewConversation = {
      id: newId(now),
      number: nextNumber(),
      inbox_id: channel.inbox_id,
      channel_id: channel.id,
      contact_id: first ? contactOf(first.author.external_id) : null,
      thread_key,
      post_id: postOf(thread_key),
      subject: first?.subject ?? null,
      status,
      waiting_since,
      next_due_at:
        (waiting_since && promises.clockFor({ ordinal: 1, opened_at: waiting_since }, promises.factsOfNew)?.due_at) ??
        null,
      // In the order of the thread, the deleted ones among them.
      last_message_at: thread.at(-1)!.occurred_at,
      first_message_at: (first ?? thread[0]!).occurred_at,
      first_external_id: first?.external_id ?? null,
      resolved_at: status === 'resolved' ? now : null,
      version: 1,
      created_at: now,
      updated_at: now,
      follows_id: before?.id ?? null,
    }
    created.set(thread_key, conversation)
    const { id, number, inbox_id, channel_id, contact_id, subject, post_id } = conversation
    events.push({
      type: 'conversation.created',
      at: now,
      actor: SYSTEM,
      conversation_id: id,
      data: {
        ...{ number, inbox_id, channel_id, contact_id, subject },
        ...(post_id ? { post_id } : {}),
        ...(status === 'resolved' ? { history: true } : {}),
        ...(before ? { follows_id: before.id } : {}),
      },
    })
    if (!before) continue
    followed.push({ holder_id: before.threads[thread_key]!, id: before.id, followed_by_id: id })
    const data = { followed_by_id: id, number }
    events.push({ type: 'conversation.followed', at: now, actor: SYSTEM, conversation_id: before.id, data })
  }
  const conversationOf = ({ external_id, thread_key }: Arrival) =>
    apart.get(external_id) ?? created.get(thread_key) ?? existing.get(thread_key)!
  const threadOf = (message: Arrival) => {
    const { thread_key } = message
    return conversationOf(message).thread_key === thread_key
      ? null
      : (existing.get(thread_key)?.threads[thread_key] ?? null)
  }
  return { created: [...created.values()], conversationOf, threadOf, followed, events }
}

function waitingSince(channel: Channel, customers: Arrival[], tombstones: Map<string, Date>): Date | null {
  const starts = customers
    .filter(message => asksForAnswer(message, tombstones))
    .map(message => clockOf(channel, message).getTime())
  return starts.length > 0 ? new Date(Math.min(...starts)) : null
}

const asksForAnswer = ({ external_id, from_us, history, automatic }: Arrival, tombstones: Map<string, Date>) =>
  !from_us && !history && !automatic && !tombstones.has(external_id)

const clockOf = ({ connected_at }: Channel, { occurred_at, received_at }: Arrival) =>
  clockTime(occurred_at, received_at, connected_at)

/** Which messages answer one that was split off, also by way of others of the batch, and the conversation that has it. */
function placeApart(messages: Arrival[], conversations: ThreadConversation[]): Map<string, ThreadConversation> {
  const places = new Map<string, ThreadConversation>()
  const moved = new Map(conversations.flatMap(row => row.parents.map(parent => [parent, row] as const)))
  if (moved.size === 0) return places
  const parentOf = new Map(messages.map(message => [message.external_id, message.parent_external_id]))
  for (const { external_id } of messages) {
    const seen = new Set<string>()
    let parent = parentOf.get(external_id)
    while (parent && !moved.has(parent) && !seen.has(parent)) {
      seen.add(parent)
      parent = parentOf.get(parent)
    }
    const place = parent && moved.get(parent)
    if (place) places.set(external_id, place)
  }
  return places
}

/** Messages of threads that have no conversation yet, or begin anew, by thread. Node 20 has no Map.groupBy. */
function groupNew(
  messages: Arrival[],
  existing: Map<string, Conversation>,
  predecessors: Map<string, Conversation>,
): Map<string, Arrival[]> {
  const threads = new Map<string, Arrival[]>()
  for (const message of messages) {
    if (existing.has(message.thread_key) && !predecessors.has(message.thread_key)) continue
    const thread = threads.get(message.thread_key)
    if (thread) thread.push(message)
    else threads.set(message.thread_key, [message])
  }
  return threads
}
