import type { ConnectorBounce } from '@parley/contracts'
import {
  appendEvents,
  type Channel,
  type Conversation,
  closeOpenAttempt,
  findBouncedReply,
  findWaiting,
  listAnsweredBy,
  listMessagesByIds,
  lockConversation,
  lockConversationOf,
  lockMessage,
  type Message,
  type NewEvent,
  settleAnswers,
  type Trx,
  updateConversation,
  updateMessage,
} from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { boundedKey } from './bounded-key.ts'
import { dispositionEvents } from './disposition-events.ts'
import { reopenWait } from './reopen-wait.ts'
import { restoreWaits } from './restore-waits.ts'
import { settleClocks } from './sla/settle-clocks.ts'
import { storableText } from './storable-text.ts'

/**
 * What we sent came back. A reply that will not arrive was no answer: it is rejected, and its customer waits as if it had
 * never been sent. A delay is only told. Told again, nothing changes; a bounce of what we do not know is left alone.
 */
export async function applyBounces(trx: Trx, channel: Channel, bounces: ConnectorBounce[], now: Date): Promise<void> {
  for (const bounce of bounces) {
    const external_id = bounce.external_id && boundedKey(bounce.external_id)
    const found = await findBouncedReply(trx, channel.id, { external_id, id: bounce.send_token })
    if (!found) continue
    const conversation = await lockConversationOf(trx, found.id)
    const message = (await lockMessage(trx, found.id))!
    const { permanent, recipient } = bounce
    const reason = storableText(bounce.reason)
    const event = { at: now, actor: SYSTEM, conversation_id: conversation.id }
    const events: NewEvent[] = [
      { ...event, type: 'reply.bounced', data: { message_id: message.id, permanent, recipient, reason } },
    ]
    if (!permanent) {
      await appendEvents(trx, events)
      continue
    }
    if (message.state === 'rejected' || message.state === 'cancelled') continue
    await closeOpenAttempt(trx, message.id, { finished_at: now, outcome: 'rejected', reason })
    await updateMessage(trx, message.id, { state: 'rejected', state_reason: reason, next_attempt_at: null })
    events.push(...(await unanswer(trx, channel, conversation, message, now)))
    const waiting = await findWaiting(trx, conversation.id)
    const { status } = conversation
    const row = await updateConversation(trx, conversation.id, {
      status: 'open',
      ...waiting,
      resolved_at: null,
      updated_at: now,
    })
    if (status !== 'open') {
      const type = status === 'resolved' ? 'conversation.reopened' : 'conversation.updated'
      events.push({ ...event, type, data: { status: 'open' }, previous: { status } })
    }
    await appendEvents(trx, events)
    if (status !== 'open') await settleClocks(trx, [{ ...row, changed: ['status'] }], SYSTEM, now)
  }
}

/** What a reply had answered is answered by another one, or by none. Returns what to log. */
async function unanswer(
  trx: Trx,
  channel: Channel,
  conversation: Conversation,
  reply: Message,
  now: Date,
): Promise<NewEvent[]> {
  const events: NewEvent[] = []
  const answered = await listAnsweredBy(trx, reply.id)
  for (const { conversation_id, ids } of answered)
    events.push(...dispositionEvents(await settleAnswers(trx, conversation_id, ids), SYSTEM, now))
  events.push(...(await reopenWait(trx, channel, conversation, reply, now)))
  // It had ended no wait of what was set aside then, or was split off since.
  for (const { conversation_id, ids } of answered) {
    const place = (await lockConversation(trx, conversation_id))!
    events.push(...(await restoreWaits(trx, channel, place, await listMessagesByIds(trx, ids), now)))
  }
  return events
}
