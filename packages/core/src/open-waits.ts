import {
  type Channel,
  type Conversation,
  insertClocks,
  insertWaits,
  type LatestWait,
  listLatestWaits,
  type NewEvent,
  newId,
  type Trx,
  type Waiting,
} from '@parley/db'
import { clockTime, SYSTEM } from '@parley/domain'
import { moveWait } from './move-wait.ts'
import { asStarted } from './sla/clock-events.ts'
import type { Promises } from './sla/promises.ts'

/** A customer's message that nobody has answered. */
export type UnansweredMessage = {
  id: string
  conversation_id: string
  contact_id: string
  occurred_at: Date
  received_at: Date
}

type WaitingConversation = Pick<Conversation, 'id' | 'inbox_id' | 'channel_id' | 'priority' | 'team_id' | 'language'>

export type OpenedWaits = {
  /** Since when somebody waits, and when a promise to them falls due, per conversation that this call changed. */
  waiting: Map<string, Waiting>
  events: NewEvent[]
}

/**
 * Opens a wait, with its clock, for each customer who wrote and was not waiting yet. One who is waiting already waits
 * since their oldest unanswered message, also when that one arrives last.
 * @param conversations those that may have waits; those created in this transaction have none
 * @param promises what may be promised in the channel
 */
export async function openWaits(
  trx: Trx,
  channel: Channel,
  messages: UnansweredMessage[],
  conversations: WaitingConversation[],
  promises: Promises,
  now: Date,
): Promise<OpenedWaits> {
  const waiting = new Map<string, Waiting>()
  if (messages.length === 0) return { waiting, events: [] }
  const latest = new Map<string, LatestWait>()
  const known = conversations.map(row => row.id)
  for (const wait of await listLatestWaits(trx, known)) latest.set(waitKey(wait), wait)
  const facts = await promises.factsOf(trx, conversations)
  const note = (conversation_id: string, waiting_since: Date | null, next_due_at: Date | null) => {
    const before = waiting.get(conversation_id) ?? NOBODY_WAITS
    waiting.set(conversation_id, earlierOf(before, { waiting_since, next_due_at }))
  }

  const events: NewEvent[] = []
  const waits = []
  const clocks = []
  for (const { message, opened_at } of oldestPerCustomer(messages, channel.connected_at)) {
    const { conversation_id, contact_id } = message
    note(conversation_id, opened_at, null)
    const previous = latest.get(waitKey(message))
    if (previous && previous.closed_at === null) {
      // Rare: an older message arrived after a younger one had opened the wait.
      if (opened_at < previous.opened_at) {
        const moved = await moveWait(trx, previous, message.id, opened_at, 'older_message', now)
        note(conversation_id, null, moved.due_at)
        events.push(...moved.events)
      }
      continue
    }
    const wait = {
      id: newId(now),
      conversation_id,
      contact_id,
      ordinal: (previous?.ordinal ?? 0) + 1,
      opened_at,
      opened_by_message_id: message.id,
      network_lag_ms: Math.max(0, message.received_at.getTime() - message.occurred_at.getTime()),
      ingest_lag_ms: Math.max(0, now.getTime() - message.received_at.getTime()),
    }
    waits.push(wait)
    // A wait that was cancelled was never answered: until the first answer the promise is the one for a first answer.
    const promised = promises.clockFor(
      { ordinal: (previous?.answers ?? 0) + 1, opened_at },
      facts.get(conversation_id) ?? promises.factsOfNew,
    )
    if (!promised) continue
    const { inbox_id } = channel
    const clock = {
      ...promised,
      ...{ id: newId(now), conversation_id, contact_id, inbox_id, wait_id: wait.id, ordinal: wait.ordinal },
      message_id: null,
    }
    clocks.push(clock)
    note(conversation_id, null, clock.due_at)
    events.push({ type: 'sla.started', at: now, actor: SYSTEM, conversation_id, data: asStarted(clock) })
  }
  await Promise.all([insertWaits(trx, waits), insertClocks(trx, clocks)])
  return { waiting, events }
}

const NOBODY_WAITS: Waiting = { waiting_since: null, next_due_at: null }

/** Of those who wait in one conversation, whoever comes first in each respect. */
export function earlierOf(a: Waiting, b: Waiting): Waiting {
  return {
    waiting_since: earliest(a.waiting_since, b.waiting_since),
    next_due_at: earliest(a.next_due_at, b.next_due_at),
  }
}

const earliest = (a: Date | null, b: Date | null) => (a && b ? (b < a ? b : a) : (a ?? b))

const waitKey = (key: { conversation_id: string; contact_id: string }) => `${key.conversation_id}:${key.contact_id}`

function oldestPerCustomer(messages: UnansweredMessage[], connected_at: Date) {
  const oldest = new Map<string, { message: UnansweredMessage; opened_at: Date }>()
  for (const message of messages) {
    const opened_at = clockTime(message.occurred_at, message.received_at, connected_at)
    const known = oldest.get(waitKey(message))
    if (!known || opened_at < known.opened_at) oldest.set(waitKey(message), { message, opened_at })
  }
  return oldest.values()
}
