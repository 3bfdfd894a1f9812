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
import { loadPromises } from './sla/promises.ts'
import { followWindows } from './sla/window-clocks.ts'

/**
 * Lets customers wait for an answer to messages that need one again, since they wrote them, as if these had never been
 * set aside or answered. Those that need none, or have one, change nothing. The caller has locked the conversation.
 */
export async function restoreWaits(
  trx: Trx,
  channel: Channel,
  conversation: Conversation,
  messages: Message[],
  now: Date,
): Promise<NewEvent[]> {
  const asked = messages.flatMap(message => {
    const { contact_id } = message
    return contact_id && awaitsAnswer(message) ? { ...message, contact_id } : []
  })
  if (asked.length === 0) return []
  const promises = await loadPromises(trx, channel)
  const { events } = await openWaits(trx, channel, asked, [conversation], promises, now)
  if (asked.some(({ reply_until }) => reply_until)) await followWindows(trx, [conversation.id], 'window_gone', now)
  await updateConversation(trx, conversation.id, { ...(await findWaiting(trx, conversation.id)), updated_at: now })
  return events
}
