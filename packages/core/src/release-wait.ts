import {
  type Channel,
  findOldestAwaiting,
  findWaiting,
  lockConversation,
  lockOpenWait,
  type Message,
  type NewEvent,
  type Trx,
  updateConversation,
} from '@parley/db'
import { type Actor, clockTime, SYSTEM } from '@parley/domain'
import { cancelWait } from './cancel-wait.ts'
import { moveWait } from './move-wait.ts'
import { followWindows } from './sla/window-clocks.ts'

/**
 * Lets nobody wait for an answer to a message that needs none any more. A wait that it had opened goes on from the
 * customer's next unanswered message, or is cancelled when there is none.
 */
export async function releaseWait(
  trx: Trx,
  channel: Channel,
  message: Message,
  reason: 'customer_deleted' | 'dismissed' | 'hidden' | 'spam',
  now: Date,
  actor: Actor = SYSTEM,
): Promise<NewEvent[]> {
  const { conversation_id, contact_id } = message
  if (!contact_id || message.direction !== 'inbound') return []
  await lockConversation(trx, conversation_id)
  const customer = { conversation_id, contact_id }
  const wait = await lockOpenWait(trx, customer)
  const events: NewEvent[] = []
  if (wait?.opened_by_message_id !== message.id) {
    if (message.reply_until) await followWindows(trx, [conversation_id], reason, now)
    return events
  }
  const next = await findOldestAwaiting(trx, customer, channel.connected_at)
  if (next) {
    const opened_at = clockTime(next.occurred_at, next.received_at, channel.connected_at)
    events.push(...(await moveWait(trx, wait, next.id, opened_at, reason, now)).events)
  } else {
    events.push(...(await cancelWait(trx, wait, { reason }, conversation_id, actor, now)))
  }
  if (message.reply_until) await followWindows(trx, [conversation_id], reason, now)
  const waiting = await findWaiting(trx, conversation_id)
  await updateConversation(trx, conversation_id, { ...waiting, updated_at: now })
  return events
}
