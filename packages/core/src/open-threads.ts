import { type Channel, type Conversation, type NewEvent, newId } from '@parley/db'
import { clockTime, SYSTEM } from '@parley/domain'
import type { PostOf } from './place-on-posts.ts'
import type { Arrival } from './read-batch.ts'
import type { InboxTargets } from './sla-promise.ts'

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
>

export type OpenedThreads = {
  created: NewConversation[]
  /** The conversation of a thread, of the existing or the created ones. */
  conversationOf: (thread_key: string) => NewConversation | Conversation
  events: NewEvent[]
}

/**
 * Begins the conversations of threads that have none yet, in the order they were spoken.
 * @param messages new messages in the order of the thread
 * @param conversations those that are there already
 * @param targets what the channel's inbox promises
 */
export function openThreads(
  channel: Channel,
  messages: Arrival[],
  conversations: Conversation[],
  tombstones: Map<string, Date>,
  contactOf: (external_id: string) => string,
  postOf: PostOf,
  nextNumber: () => number,
  targets: InboxTargets,
  now: Date,
): OpenedThreads {
  const existing = new Map(conversations.map(row => [row.thread_key, row]))
  const created = new Map<string, NewConversation>()
  const events: NewEvent[] = []
  for (const [thread_key, thread] of groupNew(messages, existing)) {
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
      next_due_at: (waiting_since && targets.clockFor({ ordinal: 1, opened_at: waiting_since })?.due_at) ?? null,
      // In the order of the thread, the deleted ones among them.
      last_message_at: thread.at(-1)!.occurred_at,
      first_message_at: (first ?? thread[0]!).occurred_at,
      first_external_id: first?.external_id ?? null,
      resolved_at: status === 'resolved' ? now : null,
      version: 1,
      created_at: now,
      updated_at: now,
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
      },
    })
  }
  const conversationOf = (thread_key: string) => existing.get(thread_key) ?? created.get(thread_key)!
  return { created: [...created.values()], conversationOf, events }
}

function waitingSince(channel: Channel, customers: Arrival[], tombstones: Map<string, Date>): Date | null {
  const starts = customers
    .filter(({ external_id, history, automatic }) => !history && !automatic && !tombstones.has(external_id))
    .map(({ occurred_at, received_at }) => clockTime(occurred_at, received_at, channel.connected_at).getTime())
  return starts.length > 0 ? new Date(Math.min(...starts)) : null
}

/** Messages of threads that have no conversation yet, by thread. Node 20 has no Map.groupBy. */
function groupNew(messages: Arrival[], existing: Map<string, Conversation>): Map<string, Arrival[]> {
  const threads = new Map<string, Arrival[]>()
  for (const message of messages) {
    if (existing.has(message.thread_key)) continue
    const thread = threads.get(message.thread_key)
    if (thread) thread.push(message)
    else threads.set(message.thread_key, [message])
  }
  return threads
}
