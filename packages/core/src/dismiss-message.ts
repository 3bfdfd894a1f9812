import {
  appendEvents,
  findChannel,
  findMessage,
  hasAnswerSince,
  listDismissalReasons,
  listSamePerson,
  lockConversation,
  lockMessage,
  type Message,
  type NewEvent,
  type Trx,
  updateMessage,
} from '@parley/db'
import { type Actor, awaitsAnswer, type Dismissal, DomainError, NotFound } from '@parley/domain'
import { inBatch } from './batches/in-batch.ts'
import { dispositionEvents, judgedAs } from './disposition-events.ts'
import { releaseWait } from './release-wait.ts'
import { restoreWaits } from './restore-waits.ts'

type Ids = { conversation_id: string; message_id: string }

/** `as`: what it is then. */
export type DismissalOrder = { reason: string; as: Dismissal }

/**
 * Says that a customer's message needs no answer, and why. Twice is the same as once: the first reason stays.
 * @param batch_id the batch that asks for it
 * @throws NotFound, or DomainError `conflict` when nobody has to answer the message, `validation_failed` for a reason
 *   that the workspace does not list
 */
export async function dismissMessage(
  trx: Trx,
  ids: Ids,
  { reason, as }: DismissalOrder,
  actor: Actor,
  now: Date,
  batch_id?: string,
): Promise<Message> {
  const { message, channel } = await lockBoth(trx, ids)
  if (message.dismissed_at) return message
  const { id, conversation_id, contact_id } = message
  // In spam as well: it may turn out to be none.
  if (!awaitsAnswer({ ...message, spam_at: null }))
    throw new DomainError('conflict', 'Nobody has to answer this message.')
  // What a batch says was looked at when it was made; one that takes another back says again what was said then.
  if (!batch_id) await refuseUnlistedReason(trx, reason)
  const by = { dismissed_by_type: actor.type, dismissed_by_id: actor.id }
  const dismissed = await updateMessage(trx, id, {
    dismissed_at: now,
    dismissed_as: as,
    dismissed_reason: reason,
    ...by,
  })
  const waits = await releaseWait(trx, channel, dismissed, as === 'spam' ? 'spam' : 'dismissed', now, actor)
  const data = { message_id: id, contact_id, reason, as }
  const events: NewEvent[] = [
    { type: 'message.dismissed', at: now, actor, conversation_id, data },
    ...dispositionEvents([judgedAs(message, dismissed)], actor, now),
    ...waits,
  ]
  await appendEvents(trx, inBatch(events, batch_id))
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
  const { id, conversation_id, contact_id, dismissed_at, dismissed_reason, dismissed_as } = message
  if (!dismissed_at) return message
  if (message.deleted_at) throw new DomainError('conflict', 'The customer has deleted this message.')
  if (await hasAnswerSince(trx, message, await listSamePerson(trx, contact_id!)))
    throw new DomainError('conflict', 'The customer has been answered since.')
  const restored = await updateMessage(trx, id, {
    dismissed_at: null,
    dismissed_as: null,
    dismissed_reason: null,
    dismissed_by_type: null,
    dismissed_by_id: null,
    undismissed_at: now,
  })
  const waits = await restoreWaits(trx, channel, conversation, [restored], now)
  const data = { message_id: id, contact_id }
  const previous = { dismissed_at, reason: dismissed_reason, as: dismissed_as }
  const events: NewEvent[] = [
    { type: 'message.undismissed', at: now, actor, conversation_id, data, previous },
    ...dispositionEvents([judgedAs(message, restored)], actor, now),
    ...waits,
  ]
  await appendEvents(trx, inBatch(events, batch_id))
  return restored
}

/** @throws DomainError `validation_failed` for a reason that the workspace does not list, where it lists any */
export async function refuseUnlistedReason(trx: Trx, reason: string): Promise<void> {
  const listed = await listDismissalReasons(trx)
  if (listed.length === 0 || listed.includes(reason)) return
  throw new DomainError('validation_failed', `reason has to be one of: ${listed.join(' · ')}.`)
}

async function lockBoth(trx: Trx, { conversation_id, message_id }: Ids) {
  const found = await findMessage(trx, message_id)
  if (found?.conversation_id !== conversation_id) throw new NotFound('message')
  const conversation = (await lockConversation(trx, conversation_id))!
  const message = (await lockMessage(trx, message_id))!
  return { conversation, message, channel: (await findChannel(trx, message.channel_id))! }
}
