import {
  type Channel,
  closeWait,
  type Deletion,
  deleteMessages,
  findLastAnswerWrittenAt,
  findOldestUnanswered,
  findWaiting,
  lockConversation,
  lockOpenWait,
  lockRunningClock,
  type Message,
  type NewEvent,
  type Trx,
  updateClock,
  updateConversation,
} from '@parley/db'
import { clockTime, SYSTEM } from '@parley/domain'
import { moveWait } from './move-wait.ts'

/**
 * Takes back what was deleted on its network. A wait that the deleted message had opened goes on from the
 * customer's next unanswered message, or is cancelled when there is none.
 */
export async function applyDeletions(
  trx: Trx,
  channel: Channel,
  deletions: Deletion[],
  now: Date,
): Promise<NewEvent[]> {
  const events: NewEvent[] = []
  for (const message of await deleteMessages(trx, deletions)) {
    events.push({
      type: 'message.deleted',
      at: now,
      actor: message.direction === 'inbound' ? { type: 'contact', id: message.contact_id } : SYSTEM,
      conversation_id: message.conversation_id,
      data: { message_id: message.id, external_id: message.external_id, deleted_at: message.deleted_at },
    })
    events.push(...(await releaseWait(trx, channel, message, now)))
  }
  return events
}

async function releaseWait(trx: Trx, channel: Channel, message: Message, now: Date): Promise<NewEvent[]> {
  const { conversation_id, contact_id } = message
  if (!contact_id || message.direction !== 'inbound') return []
  await lockConversation(trx, conversation_id)
  const customer = { conversation_id, contact_id }
  const wait = await lockOpenWait(trx, customer)
  if (wait?.opened_by_message_id !== message.id) return []
  const answered_up_to = await findLastAnswerWrittenAt(trx, customer)
  const next = await findOldestUnanswered(trx, customer, answered_up_to, channel.connected_at)
  const events: NewEvent[] = []
  if (next) {
    const opened_at = clockTime(next.occurred_at, next.received_at, channel.connected_at)
    events.push(...(await moveWait(trx, wait, next.id, opened_at, 'customer_deleted', now)).events)
  } else {
    await closeWait(trx, wait.id, { closed_at: now, cancelled_reason: 'customer_deleted' })
    const clock = await lockRunningClock(trx, wait.id)
    if (clock) {
      const cancelled = { state: 'cancelled' as const, cancelled_at: now, cancelled_reason: 'customer_deleted' }
      await updateClock(trx, clock.id, cancelled)
      const data = { clock_id: clock.id, metric: clock.metric, reason: 'customer_deleted' }
      events.push({ type: 'sla.cancelled', at: now, actor: SYSTEM, conversation_id, data })
    }
  }
  const waiting = await findWaiting(trx, conversation_id)
  await updateConversation(trx, conversation_id, { ...waiting, updated_at: now })
  return events
}
