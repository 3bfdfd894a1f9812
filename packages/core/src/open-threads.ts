import {
  type Channel,
  type Conversation,
  insertConversations,
  lockConversationsByThread,
  type NewEvent,
  newId,
  type Trx,
  takeConversationNumbers,
} from '@parley/db'
import { clockTime, SYSTEM } from '@parley/domain'
import type { Arrival } from './apply-inbound.ts'

export type OpenedThreads = {
  /** The conversations that were there already, locked, by thread key. */
  existing: Map<string, Conversation>
  conversationOf: (thread_key: string) => string
  events: NewEvent[]
}

/** Finds the conversation of each message's thread and begins those that are new, in the order they were spoken. */
export async function openThreads(
  trx: Trx,
  channel: Channel,
  messages: Arrival[],
  tombstones: Map<string, Date>,
  contactOf: (external_id: string) => string,
  now: Date,
): Promise<OpenedThreads> {
  const keys = [...new Set(messages.map(message => message.thread_key))]
  const existing = new Map<string, Conversation>()
  for (const row of await lockConversationsByThread(trx, channel.id, keys)) existing.set(row.thread_key, row)
  const byThread = groupNew(messages, existing)
  const first_number = byThread.size > 0 ? await takeConversationNumbers(trx, byThread.size) : 0
  const created = [...byThread].map(([thread_key, thread], index) => {
    const first = thread[0]!
    const visible = thread.filter(message => !tombstones.has(message.external_id))
    const starts = visible.map(({ occurred_at, received_at }) =>
      clockTime(occurred_at, received_at, channel.connected_at).getTime(),
    )
    return {
      id: newId(now),
      number: first_number + index,
      inbox_id: channel.inbox_id,
      channel_id: channel.id,
      contact_id: contactOf(first.author.external_id),
      thread_key,
      subject: first.subject,
      status: 'open' as const,
      waiting_since: starts.length > 0 ? new Date(Math.min(...starts)) : null,
      // In the order of the thread, the deleted ones among them.
      last_message_at: thread.at(-1)!.occurred_at,
      version: 1,
      created_at: now,
      updated_at: now,
    }
  })
  await insertConversations(trx, created)
  const ids = new Map(created.map(row => [row.thread_key, row.id]))
  return {
    existing,
    conversationOf: thread_key => existing.get(thread_key)?.id ?? ids.get(thread_key)!,
    events: created.map(({ id, number, inbox_id, channel_id, contact_id, subject }) => ({
      type: 'conversation.created',
      at: now,
      actor: SYSTEM,
      conversation_id: id,
      data: { number, inbox_id, channel_id, contact_id, subject },
    })),
  }
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
