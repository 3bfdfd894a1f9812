import {
  appendEvents,
  type Channel,
  type Conversation,
  closeOpenAttempt,
  currentSendEpoch,
  findChannel,
  findLatestAttempt,
  findMessage,
  lockConversationOf,
  lockMessage,
  lockPartsAfter,
  type Message,
  type Trx,
  updateMessage,
} from '@parley/db'
import { type Actor, DomainError, type MessageState, NotFound } from '@parley/domain'
import { boundedKey } from './bounded-key.ts'
import { type Delivery, refuseUnwanted } from './queue-reply.ts'
import { isTaken, PART_NOT_SENT, recordReplyOutcome } from './record-reply-outcome.ts'
import { storableText } from './storable-text.ts'

type Decision = { message_id: string; actor: Actor; now: Date }

/**
 * Takes a reply back that has not gone out; of a long one, with the parts that come after it.
 * @throws NotFound, or DomainError `conflict` once a worker has begun to send it
 */
export async function cancelReply(trx: Trx, { message_id, actor, now }: Decision): Promise<Message> {
  const { conversation, message } = await lockReply(trx, message_id)
  if (message.state === 'cancelled') return message
  refuseUnless(message, ['queued'], 'Only a reply that is still queued can be taken back.')
  const later = (await lockPartsAfter(trx, message)).filter(part => part.state === 'queued')
  const cancelled: Message[] = []
  for (const { id } of [message, ...later]) {
    const none = { next_attempt_at: null, hold_until: null }
    cancelled.push(await updateMessage(trx, id, { state: 'cancelled', state_reason: null, ...none }))
  }
  const event = { type: 'reply.cancelled' as const, at: now, actor, conversation_id: conversation.id }
  await appendEvents(
    trx,
    cancelled.map(({ id }) => ({ ...event, data: { message_id: id } })),
  )
  return cancelled[0]!
}

/**
 * Sends a reply again that was refused, taken back, or of which nobody knows whether it is out: a person has looked. The
 * parts of a long reply that stayed behind it come along.
 * @throws NotFound, or DomainError `conflict` while it may still go out, or is out, `reply_refused` when its customer was
 *   erased
 */
export async function retryReply(
  trx: Trx,
  { message_id, actor, now }: Decision,
  deliveryOf: (channel: Channel) => Delivery,
): Promise<Message> {
  const { conversation, message } = await lockReply(trx, message_id)
  refuseUnless(message, ['rejected', 'unknown', 'cancelled'], 'Only a reply that is not on its way can be sent again.')
  const channel = (await findChannel(trx, message.channel_id))!
  if (channel.status === 'deleted') throw new DomainError('reply_refused', 'The channel of this conversation is gone.')
  // A person has decided to send it: only who was erased cannot be written to.
  if (message.contact_id) await refuseUnwanted(trx, message.contact_id, true)
  const next_attempt_at = deliveryOf(channel).pulled ? null : now
  const behind = (await lockPartsAfter(trx, message)).filter(
    part => part.state === 'cancelled' || (part.state === 'rejected' && part.state_reason === PART_NOT_SENT),
  )
  await closeOpenAttempt(trx, message.id, { finished_at: now, outcome: 'unknown', reason: 'sent again by a person' })
  const send_epoch = await currentSendEpoch(trx)
  const queued: Message[] = []
  for (const { id } of [message, ...behind]) {
    const again = { state: 'queued' as const, state_reason: null, external_id: null, hold_until: null }
    queued.push(await updateMessage(trx, id, { ...again, next_attempt_at, send_epoch }))
  }
  const event = { type: 'reply.queued' as const, at: now, actor, conversation_id: conversation.id }
  const previous = { state: message.state }
  await appendEvents(
    trx,
    queued.map(({ id, channel_id }) => ({ ...event, data: { message_id: id, channel_id, again: true }, previous })),
  )
  return queued[0]!
}

/** Where a person found the reply on its network. */
export type Sighting = {
  external_id?: string | undefined
  permalink?: string | undefined
  /** When it appeared there; when the call was made that nobody knows the end of, if absent. */
  sent_at?: Date | undefined
}

/**
 * A person has seen that a reply is out: it counts as accepted, and ends waits, like one whose network said so.
 * @throws NotFound, or DomainError `conflict` for a reply whose outcome is known
 */
export async function markSent(
  trx: Trx,
  { message_id, actor, now }: Decision,
  { external_id, permalink, sent_at }: Sighting,
): Promise<Message> {
  const { conversation, message } = await lockReply(trx, message_id)
  refuseUnless(message, ['unknown'], 'Only of a reply whose outcome is unknown can a person say that it is sent.')
  if (external_id && (await isTaken(trx, message, boundedKey(external_id)))) {
    throw new DomainError('conflict', 'Another message of this channel has that external_id.')
  }
  const attempt = await findLatestAttempt(trx, message.id)
  const earliest = attempt?.started_at ?? message.received_at
  if (sent_at && (sent_at < message.received_at || sent_at > now)) {
    throw new DomainError('validation_failed', 'sent_at must lie between the writing of the reply and now.')
  }
  await closeOpenAttempt(trx, message.id, { finished_at: now, outcome: 'sent', reason: 'said by a person' })
  const outcome = {
    outcome: 'sent' as const,
    external_id: external_id ?? message.external_id,
    accepted_at: sent_at ?? earliest,
    permalink: permalink ?? null,
  }
  return recordReplyOutcome(trx, conversation, message, outcome, now, actor)
}

/**
 * A person has seen that a reply is not out. It can then be sent again, or left.
 * @throws NotFound, or DomainError `conflict` for a reply whose outcome is known
 */
export async function markNotSent(
  trx: Trx,
  { message_id, actor, now }: Decision,
  reason: string | undefined,
): Promise<Message> {
  const { conversation, message } = await lockReply(trx, message_id)
  refuseUnless(message, ['unknown'], 'Only of a reply whose outcome is unknown can a person say that it is not sent.')
  await closeOpenAttempt(trx, message.id, { finished_at: now, outcome: 'rejected', reason: 'said by a person' })
  const outcome = { outcome: 'rejected' as const, reason: storableText(reason ?? 'Marked as not sent.') }
  return recordReplyOutcome(trx, conversation, message, outcome, now, actor)
}

async function lockReply(trx: Trx, id: string): Promise<{ conversation: Conversation; message: Message }> {
  const found = await findMessage(trx, id)
  if (found?.direction !== 'outbound' || found.author_type === 'native') throw new NotFound('reply')
  const conversation = await lockConversationOf(trx, found.id)
  return { conversation, message: (await lockMessage(trx, id))! }
}

function refuseUnless(message: Message, states: MessageState[], rule: string): void {
  if (states.includes(message.state)) return
  throw new DomainError('conflict', `${rule} This one is ${message.state}.`, { state: message.state })
}
