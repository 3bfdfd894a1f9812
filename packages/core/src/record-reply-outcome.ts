import {
  absorbEcho,
  adoptChildren,
  appendEvents,
  type Conversation,
  findChannel,
  findOldestAwaiting,
  findWaiting,
  listSamePerson,
  lockMessageByExternalId,
  type Message,
  markAnswered,
  type NewEvent,
  pauseChannel,
  type Trx,
  updateConversation,
  updateMessage,
} from '@parley/db'
import { type Actor, isHumanAuthor, SYSTEM, statusAfterReplySent } from '@parley/domain'
import { boundedKey } from './bounded-key.ts'
import { creditOf } from './credit.ts'
import { dispositionEvents } from './disposition-events.ts'
import { fulfilWait } from './fulfil-wait.ts'
import { settleClocks } from './sla/settle-clocks.ts'
import { storableText } from './storable-text.ts'

/** Why the rest of a long reply stays here: its readers would find it without its beginning. */
export const PART_NOT_SENT = 'An earlier part of this reply was not sent.'

/** What a network said to a reply, or failed to say. */
export type ReplyOutcome =
  | {
      outcome: 'sent'
      /** Null when a person says that it is there and not under which id. */
      external_id: string | null
      accepted_at: Date
      permalink: string | null
      reply_context?: Record<string, unknown> | null
    }
  | { outcome: 'rejected'; reason: string }
  | { outcome: 'retry'; reason: string; retry_at: Date; scope?: 'reply' }
  /** `look_again_at`: when to ask the network; null leaves the decision to a person. */
  | { outcome: 'unknown'; reason: string; look_again_at: Date | null }

/**
 * Writes the outcome of a reply to the message, the conversation, the customer's wait and the log. Only `sent` closes
 * a wait, at the time the network accepted; the caller holds the conversation's lock.
 * @param actor who says so, where a person decides
 */
export async function recordReplyOutcome(
  trx: Trx,
  conversation: Conversation,
  message: Message,
  outcome: ReplyOutcome,
  now: Date,
  actor: Actor = SYSTEM,
): Promise<Message> {
  const event = (type: NewEvent['type'], data: Record<string, unknown>): NewEvent => ({
    type,
    at: now,
    actor,
    conversation_id: conversation.id,
    data: { message_id: message.id, ...data },
  })
  switch (outcome.outcome) {
    case 'sent':
      return recordSent(trx, conversation, message, outcome, now, event)
    case 'rejected': {
      const reason = storableText(outcome.reason)
      const events = [event('reply.rejected', { reason })]
      const { status } = conversation
      if (status !== 'open') {
        const type = status === 'resolved' ? 'conversation.reopened' : 'conversation.updated'
        events.push({ ...event(type, { status: 'open' }), previous: { status } })
      }
      const reopened = { status: 'open', resolved_at: null, updated_at: now } as const
      const row = await updateConversation(trx, conversation.id, reopened)
      await appendEvents(trx, events)
      if (status !== 'open') await settleClocks(trx, [{ ...row, changed: ['status'] }], actor, now)
      const none = { external_id: null, next_attempt_at: null }
      return updateMessage(trx, message.id, { state: 'rejected', state_reason: reason, ...none })
    }
    case 'retry': {
      const { retry_at, scope } = outcome
      const reason = storableText(outcome.reason)
      if (scope !== 'reply') await pauseChannel(trx, message.channel_id, 'writes', retry_at)
      return updateMessage(trx, message.id, {
        state: 'queued',
        state_reason: reason,
        next_attempt_at: retry_at,
        external_id: null,
      })
    }
    case 'unknown': {
      const { look_again_at } = outcome
      const reason = storableText(outcome.reason)
      if (message.state !== 'unknown') await appendEvents(trx, [event('reply.unknown', { reason })])
      return updateMessage(trx, message.id, { state: 'unknown', state_reason: reason, next_attempt_at: look_again_at })
    }
    default:
      return outcome satisfies never
  }
}

async function recordSent(
  trx: Trx,
  conversation: Conversation,
  message: Message,
  outcome: Extract<ReplyOutcome, { outcome: 'sent' }>,
  now: Date,
  event: (type: NewEvent['type'], data: Record<string, unknown>) => NewEvent,
): Promise<Message> {
  const { accepted_at } = outcome
  const external_id = outcome.external_id && boundedKey(outcome.external_id)
  const permalink = outcome.permalink && storableText(outcome.permalink)
  const other = external_id ? await lockMessageByExternalId(trx, message.channel_id, external_id) : undefined
  const echo = other && other.id !== message.id && other.author_type === 'native' ? other : undefined
  if (echo) await absorbEcho(trx, echo, message.id)
  const taken = other && other.id !== message.id && !echo
  const sent = await updateMessage(trx, message.id, {
    state: 'sent',
    state_reason: null,
    // The reply is out, whatever its network calls it: an id that another message has is not kept.
    external_id: taken ? null : external_id,
    permalink,
    ...(outcome.reply_context ? { reply_context: JSON.stringify(outcome.reply_context) } : {}),
    occurred_at: accepted_at,
    next_attempt_at: null,
  })
  const events = [event('reply.sent', { external_id, accepted_at, permalink, ...creditOf(conversation) })]
  if (echo) events.push(event('message.deleted', { message_id: echo.id, reason: 'echo', echo_of: message.id }))
  const channel = (await findChannel(trx, message.channel_id))!
  const { conversation_id, contact_id } = message
  if (isHumanAuthor(message.author_type) && contact_id) {
    // One person reads it, whichever of their accounts wrote. What reached us after the author had handed the reply in, they cannot have answered.
    const people = await listSamePerson(trx, contact_id)
    const answered = await markAnswered(trx, sent, people, channel.connected_at)
    events.push(...dispositionEvents(answered, { type: 'user', id: message.author_id }, now))
    for (const each of people) {
      const customer = { conversation_id, contact_id: each }
      const unseen = await findOldestAwaiting(trx, customer, channel.connected_at)
      events.push(...(await fulfilWait(trx, channel, conversation, { ...sent, contact_id: each }, unseen, now)))
    }
  }
  if (external_id) await adoptChildren(trx, message.channel_id, [{ id: message.id, external_id, contact_id }])
  const waiting = await findWaiting(trx, conversation.id)
  const facts = { resolve_after: message.resolve_after, somebody_waits: waiting.waiting_since !== null }
  const status = statusAfterReplySent(conversation.status, facts)
  const row = await updateConversation(trx, conversation.id, {
    status,
    ...waiting,
    resolved_at: status === 'resolved' ? now : conversation.resolved_at,
    last_message_at: accepted_at > conversation.last_message_at ? accepted_at : conversation.last_message_at,
    updated_at: now,
  })
  if (status !== conversation.status) {
    const type = status === 'resolved' ? 'conversation.resolved' : 'conversation.updated'
    const credit = status === 'resolved' ? creditOf(conversation) : {}
    events.push({ ...event(type, { status, ...credit }), previous: { status: conversation.status } })
  }
  await appendEvents(trx, events)
  if (status !== conversation.status) await settleClocks(trx, [{ ...row, changed: ['status'] }], SYSTEM, now)
  return sent
}

/** True when a message that we did not write has this network id: the network, or its integration, errs. */
export async function isTaken(trx: Trx, message: Message, external_id: string): Promise<boolean> {
  const other = external_id ? await lockMessageByExternalId(trx, message.channel_id, external_id) : undefined
  return other !== undefined && other.id !== message.id && other.author_type !== 'native'
}
