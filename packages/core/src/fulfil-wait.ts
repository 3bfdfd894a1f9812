import {
  type Channel,
  type Conversation,
  closeWait,
  lockOpenWait,
  lockRunningClock,
  type Message,
  type NewEvent,
  type Trx,
  updateClock,
  type Wait,
} from '@parley/db'
import { isBreached, SYSTEM } from '@parley/domain'
import { creditOf } from './credit.ts'
import { openWaits } from './open-waits.ts'
import { aboutClock } from './sla/clock-events.ts'
import { loadPromises } from './sla/promises.ts'

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
  }
  return events
}

/** Ends a wait, and the clock that runs for it, with the answer to it. Returns what to log. */
export async function endWait(
  trx: Trx,
  conversation: Conversation,
  wait: Wait,
  reply: Message,
  now: Date,
): Promise<NewEvent[]> {
  await closeWait(trx, wait.id, { closed_at: reply.occurred_at, closed_by_message_id: reply.id })
  const clock = await lockRunningClock(trx, wait.id)
  if (!clock) return []
  const events: NewEvent[] = []
  const late = isBreached(clock.due_at, reply.occurred_at)
  await updateClock(trx, clock.id, {
    state: 'fulfilled',
    fulfilled_at: reply.occurred_at,
    fulfilled_by_message_id: reply.id,
    // The network may have accepted in time and we heard of it late: then the promise was kept.
    breached_at: late ? clock.due_at : null,
    detected_at: late ? (clock.detected_at ?? now) : null,
    // Of a breach that is recorded, they are whose it was.
    ...(clock.breached_at ? {} : { owner_id: conversation.assignee_id, team_id: conversation.team_id }),
  })
  const data = { ...aboutClock(clock), ...creditOf(conversation) }
  const event = { at: now, actor: SYSTEM, conversation_id: conversation.id }
  if (late && !clock.breached_at) events.push({ ...event, type: 'sla.breached', data })
  const outcome = { fulfilled_at: reply.occurred_at, fulfilled_by_message_id: reply.id, late }
  events.push({ ...event, type: 'sla.fulfilled', data: { ...data, ...outcome } })
  return events
}
