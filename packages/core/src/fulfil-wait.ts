import {
  type Channel,
  type Conversation,
  closeWait,
  lockOpenWait,
  lockRunningClocks,
  type Message,
  type NewEvent,
  type Trx,
  type Wait,
} from '@parley/db'
import { openWaits } from './open-waits.ts'
import { fulfilClock } from './sla/fulfil-clock.ts'
import { loadPromises } from './sla/promises.ts'
import { cancelWindow, followWindows } from './sla/window-clocks.ts'

/**
 * Ends the wait of the customer whom a reply answers, at the time the network accepted it. Answering one customer
 * ends nobody else's wait.
 * @param unseen the customer's oldest message that its author cannot have answered: it begins a new wait
 */
export async function fulfilWait(
  trx: Trx,
  channel: Channel,
  conversation: Conversation,
  reply: Message,
  unseen: Message | undefined,
  now: Date,
): Promise<NewEvent[]> {
  if (!reply.contact_id) return []
  const wait = await lockOpenWait(trx, { conversation_id: conversation.id, contact_id: reply.contact_id })
  // The wait began after this reply was written: it answers something older.
  if (!wait || wait.opened_at > reply.occurred_at) return []
  if (unseen?.id === wait.opened_by_message_id) return []
  const events = await endWait(trx, conversation, wait, reply, now)
  if (unseen) {
    const message = { ...unseen, contact_id: reply.contact_id }
    const promises = await loadPromises(trx, channel)
    const opened = await openWaits(trx, channel, [message], [conversation], promises, now)
    events.push(...opened.events)
    await followWindows(trx, [conversation.id], 'window_gone', now)
  }
  return events
}

/** Ends a wait, and the clocks that run for it, with the answer to it. Returns what to log. */
export async function endWait(
  trx: Trx,
  conversation: Conversation,
  wait: Wait,
  reply: Message,
  now: Date,
): Promise<NewEvent[]> {
  await closeWait(trx, wait.id, { closed_at: reply.occurred_at, closed_by_message_id: reply.id })
  const { promised, windows } = await lockRunningClocks(trx, wait.id)
  const by = { at: reply.occurred_at, message_id: reply.id }
  const events = promised ? await fulfilClock(trx, promised, conversation, by, now) : []
  for (const clock of windows) {
    // What was said since opens it again for the next wait.
    const before = clock.started_at <= reply.occurred_at
    const ended = before ? fulfilClock(trx, clock, conversation, by, now) : cancelWindow(trx, clock, 'window_gone', now)
    events.push(...(await ended))
  }
  return events
}
