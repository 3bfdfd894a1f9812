import {
  type Channel,
  type Conversation,
  findWaiting,
  type Message,
  type NewEvent,
  type Trx,
  updateConversation,
} from '@parley/db'
import { awaitsAnswer } from '@parley/domain'
import { openWaits } from './open-waits.ts'
import { loadInboxTargets } from './sla-promise.ts'

/**
 * Lets the customer wait for an answer to a message that needs one again, since they wrote it, as if it had never been
 * set aside. One that needs none, or has one, changes nothing. The caller has locked the conversation.
 */
export async function restoreWait(
  trx: Trx,
  channel: Channel,
  conversation: Conversation,
  message: Message,
  now: Date,
): Promise<NewEvent[]> {
  const { contact_id } = message
  if (!contact_id || !awaitsAnswer(message)) return []
  const targets = await loadInboxTargets(trx, channel.inbox_id)
  const { events } = await openWaits(trx, channel, [{ ...message, contact_id }], [conversation], targets, now)
  await updateConversation(trx, conversation.id, { ...(await findWaiting(trx, conversation.id)), updated_at: now })
  return events
}
