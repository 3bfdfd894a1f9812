import {
  type Channel,
  insertClocks,
  insertWaits,
  type LatestWait,
  listLatestWaits,
  type NewEvent,
  newId,
  type Trx,
} from '@parley/db'
import { clockTime, SYSTEM } from '@parley/domain'
import { moveWait } from './move-wait.ts'
import { loadInboxTargets } from './sla-promise.ts'

/** A customer's message that nobody has answered. */
export type UnansweredMessage = {
  id: string
  conversation_id: string
  contact_id: string
  occurred_at: Date
  received_at: Date
}

export type OpenedWaits = {
  /** Since when somebody waits, per conversation that this call changed. */
  waitingSince: Map<string, Date>
  events: NewEvent[]
}

/**
 * Opens a wait, with its clock, for each customer who wrote and was not waiting yet. One who is waiting already waits
 * since their oldest unanswered message, also when that one arrives last.
 * @param conversations those that may have waits; those created in this transaction have none
 */
export async function openWaits(
  trx: Trx,
  channel: Channel,
  messages: UnansweredMessage[],
  conversations: { id: string }[],
  now: Date,
): Promise<OpenedWaits> {
  if (messages.length === 0) return { waitingSince: new Map(), events: [] }
  const latest = new Map<string, LatestWait>()
  const known = conversations.map(row => row.id)
  const [targets, waitsBefore] = await Promise.all([
    loadInboxTargets(trx, channel.inbox_id),
    listLatestWaits(trx, known),
  ])
  for (const wait of waitsBefore) latest.set(waitKey(wait), wait)

  const events: NewEvent[] = []
  const waitingSince = new Map<string, Date>()
  const waits = []
  const clocks = []
  for (const { message, opened_at } of oldestPerCustomer(messages, channel.connected_at)) {
    const { conversation_id, contact_id } = message
    const since = waitingSince.get(conversation_id)
    if (!since || opened_at < since) waitingSince.set(conversation_id, opened_at)
    const previous = latest.get(waitKey(message))
    if (previous && previous.closed_at === null) {
      // Rare: an older message arrived after a younger one had opened the wait.
      if (opened_at < previous.opened_at)
        events.push(...(await moveWait(trx, previous, message.id, opened_at, 'older_message', now)))
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
    const promised = targets.clockFor({ ordinal: (previous?.answers ?? 0) + 1, opened_at })
    if (!promised) continue
    const { metric, target_seconds, due_at, versions } = promised
    const clock = {
      id: newId(now),
      conversation_id,
      contact_id,
      wait_id: wait.id,
      inbox_id: channel.inbox_id,
      metric,
      ordinal: wait.ordinal,
      ...versions,
      started_at: opened_at,
      target_seconds,
      due_at,
    }
    clocks.push(clock)
    const data = { clock_id: clock.id, contact_id, metric, started_at: opened_at, target_seconds, due_at, ...versions }
    events.push({ type: 'sla.started', at: now, actor: SYSTEM, conversation_id, data })
  }
  await Promise.all([insertWaits(trx, waits), insertClocks(trx, clocks)])
  return { waitingSince, events }
}

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
