import {
  appendEvents,
  findChannel,
  findLastAnswerWrittenAt,
  findMessage,
  findOldestUnanswered,
  findWaiting,
  hasAnswerSince,
  listSamePerson,
  lockConversation,
  lockMessage,
  type Message,
  type NewEvent,
  type Trx,
  updateConversation,
  updateMessage,
} from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'
import { inBatch } from './batches/in-batch.ts'
import { openWaits } from './open-waits.ts'
import { releaseWait } from './release-wait.ts'
import { loadInboxTargets } from './sla-promise.ts'

type Ids = { conversation_id: string; message_id: string }

/**
 * Says that a customer's message needs no answer, and why. Twice is the same as once: the first reason stays.
 * @param batch_id the batch that asks for it
 * @throws NotFound, or DomainError `conflict` when nobody has to answer the message
 */
export async function dismissMessage(
  trx: Trx,
  ids: Ids,
  reason: string,
  actor: Actor,
  now: Date,
  batch_id?: string,
): Promise<Message> {
  const { message, channel } = await lockBoth(trx, ids)
  if (message.dismissed_at) return message
  const { id, conversation_id, contact_id } = message
  const customer = contact_id && message.direction === 'inbound' ? { conversation_id, contact_id } : undefined
  const unanswered =
    customer &&
    (await findOldestUnanswered(
      trx,
      customer,
      await findLastAnswerWrittenAt(trx, customer),
      channel.connected_at,
      message.id,
    ))
  if (!unanswered) throw new DomainError('conflict', 'Nobody has to answer this message.')
  const by = { dismissed_by_type: actor.type, dismissed_by_id: actor.id }
  const dismissed = await updateMessage(trx, id, { dismissed_at: now, dismissed_reason: reason, ...by })
  const data = { message_id: id, contact_id, reason }
  const events = await releaseWait(trx, channel, dismissed, 'dismissed', now, actor)
  const dismissal: NewEvent = { type: 'message.dismissed', at: now, actor, conversation_id, data }
  await appendEvents(trx, inBatch([dismissal, ...events], batch_id))
  return dismissed
}

/**
 * Takes a dismissal back: the customer waits for an answer to the message as if it had never been dismissed, since they
 * wrote it. Twice is the same as once.
 * @throws NotFound, or DomainError `conflict` when the customer has been answered since, or has deleted the message
 */
export async function undismissMessage(
  trx: Trx,
  ids: Ids,
  actor: Actor,
  now: Date,
  batch_id?: string,
): Promise<Message> {
  const { conversation, message, channel } = await lockBoth(trx, ids)
  const { id, conversation_id, dismissed_at, dismissed_reason } = message
  if (!dismissed_at) return message
  if (message.deleted_at) throw new DomainError('conflict', 'The customer has deleted this message.')
  const contact_id = message.contact_id!
  if (await hasAnswerSince(trx, message, await listSamePerson(trx, contact_id)))
    throw new DomainError('conflict', 'The customer has been answered since.')
  const none = { dismissed_at: null, dismissed_reason: null, dismissed_by_type: null, dismissed_by_id: null }
  const restored = await updateMessage(trx, id, { ...none, undismissed_at: now })
  const targets = await loadInboxTargets(trx, channel.inbox_id)
  // In spam nobody waits, until it is none any more.
  const asked = conversation.status === 'spam' ? [] : [{ ...restored, contact_id }]
  const { events } = await openWaits(trx, channel, asked, [conversation], targets, now)
  await updateConversation(trx, conversation_id, { ...(await findWaiting(trx, conversation_id)), updated_at: now })
  const data = { message_id: id, contact_id }
  const previous = { dismissed_at, reason: dismissed_reason }
  const undone: NewEvent = { type: 'message.undismissed', at: now, actor, conversation_id, data, previous }
  await appendEvents(trx, inBatch([undone, ...events], batch_id))
  return restored
}

async function lockBoth(trx: Trx, { conversation_id, message_id }: Ids) {
  const found = await findMessage(trx, message_id)
  if (found?.conversation_id !== conversation_id) throw new NotFound('message')
  const conversation = (await lockConversation(trx, conversation_id))!
  const message = (await lockMessage(trx, message_id))!
  return { conversation, message, channel: (await findChannel(trx, message.channel_id))! }
}
