import {
  appendEvents,
  type Channel,
  currentSendEpoch,
  findChannel,
  findLatestAttempt,
  findMessage,
  findNextQueued,
  findPartBefore,
  findThreadKey,
  finishAttempt,
  hasEarlierUnsent,
  insertAttempt,
  lockConversationOf,
  lockMessage,
  type Message,
  type SendAttempt,
  type Trx,
  takeOverAttempt,
  updateMessage,
} from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { boundedKey } from './bounded-key.ts'
import { isReady, maySend, recordCall, sendsAgainAt } from './channel-breaker.ts'
import { PART_NOT_SENT, type ReplyOutcome, recordReplyOutcome } from './record-reply-outcome.ts'
import { leaseFrom } from './send-lease.ts'
import { storableText } from './storable-text.ts'

const QUEUED_ELSEWHERE = 'It was queued before this database was restored, and may have been sent.'

/** What is to be done about a reply now. */
export type SendTask =
  | SendQueued
  /** An earlier call's outcome is not known: ask the network. `distrusted`: another life of the database has made it. */
  | { task: 'look_up'; message: Message; channel: Channel; attempt: SendAttempt; distrusted: boolean }
  /** `again_at`: when the channel may be written to again; null when no time is known. */
  | { task: 'nothing'; reason: 'channel_not_ready'; again_at: Date | null }
  | { task: 'nothing'; reason: 'not_due' | 'channel_gone' | 'earlier_reply_first' | 'part_not_sent' }

/** `distrusted`: it may have been sent before this database was restored, so the network is asked before anything else. */
export type SendQueued = {
  task: 'send'
  message: Message
  channel: Channel
  /** What it answers: the customer's message, or the part before it of a long reply. */
  parent: Message | undefined
  /** Into which thread it leaves. */
  thread_key: string
  distrusted: boolean
}

/**
 * Decides about one reply. A reply that was being sent when its worker died is taken over here, under a new lease:
 * the old worker, should it wake up, can then record nothing.
 */
export async function takeSendTask(trx: Trx, message_id: string, now: Date): Promise<SendTask> {
  const found = await findMessage(trx, message_id)
  if (!found?.next_attempt_at || found.next_attempt_at > now) return { task: 'nothing', reason: 'not_due' }
  // The conversation's lock comes first everywhere; inbound messages of the thread wait for it as well.
  const conversation = await lockConversationOf(trx, found.id)
  const message = (await lockMessage(trx, message_id))!
  if (!message.next_attempt_at || message.next_attempt_at > now) return { task: 'nothing', reason: 'not_due' }
  const channel = (await findChannel(trx, message.channel_id))!
  if (channel.status === 'deleted') {
    // Queued in the very moment in which it was deleted.
    await closeForDeleted(trx, message, now)
    return { task: 'nothing', reason: 'channel_gone' }
  }
  const notReady = {
    task: 'nothing' as const,
    reason: 'channel_not_ready' as const,
    again_at: sendsAgainAt(channel, now),
  }
  if (!isReady(channel, now)) return notReady
  const distrusted = message.send_epoch !== null && message.send_epoch !== (await currentSendEpoch(trx))
  if (message.state === 'queued') {
    if (notReady.again_at) return notReady
    if (await hasEarlierUnsent(trx, message)) return { task: 'nothing', reason: 'earlier_reply_first' }
    const before = await findPartBefore(trx, message)
    if (before && before.state !== 'sent') {
      const outcome = { outcome: 'rejected' as const, reason: PART_NOT_SENT }
      await recordReplyOutcome(trx, conversation, message, outcome, now)
      return { task: 'nothing', reason: 'part_not_sent' }
    }
    if (!(await maySend(trx, channel, now))) return notReady
    const parent = message.in_reply_to ? await findMessage(trx, message.in_reply_to) : undefined
    const thread_key = await findThreadKey(trx, conversation, message.thread_conversation_id)
    return { task: 'send', message, channel, parent, thread_key, distrusted }
  }
  const lease_until = leaseFrom(now)
  const latest = (await findLatestAttempt(trx, message.id))!
  const attempt = await takeOverAttempt(trx, latest, lease_until)
  await updateMessage(trx, message.id, { next_attempt_at: lease_until })
  return { task: 'look_up', message, channel, attempt, distrusted }
}

async function closeForDeleted(trx: Trx, { id, state, conversation_id }: Message, now: Date): Promise<void> {
  const state_reason = 'The channel of this conversation is gone.'
  const closed = state === 'queued' ? 'cancelled' : 'unknown'
  await updateMessage(trx, id, { state: closed, state_reason, next_attempt_at: null })
  if (closed !== 'cancelled') return
  const event = { type: 'reply.cancelled' as const, at: now, actor: SYSTEM, conversation_id }
  await appendEvents(trx, [{ ...event, data: { message_id: id, reason: state_reason } }])
}

/**
 * Commits to one call to the network, with exactly what will be sent. Undefined when the reply is no longer queued:
 * another worker has it, or its author took it back. Undefined too when the database has moved since it was taken.
 * @param expected_id the id that the network will know it by, where we choose it
 */
export async function beginSendAttempt(
  trx: Trx,
  message_id: string,
  prepared: unknown,
  expected_id: string | null,
  now: Date,
): Promise<SendAttempt | undefined> {
  const message = await lockMessage(trx, message_id)
  if (message?.state !== 'queued') return undefined
  if (message.send_epoch !== null && message.send_epoch !== (await currentSendEpoch(trx))) return undefined
  return beginAttempt(trx, message, 'sending', prepared, expected_id, now)
}

/**
 * Makes a reply of an earlier life of the database one whose outcome is unknown, so that the network is asked about what
 * would have been sent. Undefined when it is no longer queued.
 */
export async function beginDoubt(
  trx: Trx,
  message_id: string,
  prepared: unknown,
  expected_id: string | null,
  now: Date,
): Promise<SendAttempt | undefined> {
  const message = await lockMessage(trx, message_id)
  if (message?.state !== 'queued') return undefined
  const { conversation_id } = message
  const data = { message_id, reason: QUEUED_ELSEWHERE }
  await appendEvents(trx, [{ type: 'reply.unknown', at: now, actor: SYSTEM, conversation_id, data }])
  return beginAttempt(trx, message, 'unknown', prepared, expected_id, now)
}

async function beginAttempt(
  trx: Trx,
  message: Message,
  state: 'sending' | 'unknown',
  prepared: unknown,
  expected_id: string | null,
  now: Date,
): Promise<SendAttempt> {
  const lease_until = leaseFrom(now)
  const previous = await findLatestAttempt(trx, message.id)
  const external_id = expected_id && boundedKey(expected_id)
  await updateMessage(trx, message.id, { state, next_attempt_at: lease_until, external_id })
  return insertAttempt(trx, {
    message_id: message.id,
    number: (previous?.number ?? 0) + 1,
    prepared: JSON.stringify(prepared),
    started_at: now,
    lease_until,
  })
}

/** Records what became of a reply that was not sent: its network or its author's text says no, or nobody can tell. */
export async function closeQueuedReply(
  trx: Trx,
  message_id: string,
  outcome: Extract<ReplyOutcome, { outcome: 'rejected' | 'unknown' }>,
  now: Date,
): Promise<void> {
  const found = (await findMessage(trx, message_id))!
  const conversation = await lockConversationOf(trx, found.id)
  const message = (await lockMessage(trx, message_id))!
  if (message.state !== 'queued') return
  await recordReplyOutcome(trx, conversation, message, outcome, now)
}

/** Looks at a reply again later; nothing has been sent. */
export async function postponeReply(trx: Trx, message_id: string, until: Date): Promise<void> {
  const message = await lockMessage(trx, message_id)
  // One that its author still holds back stays held.
  if (message?.state === 'queued' && message.next_attempt_at) {
    await updateMessage(trx, message_id, { next_attempt_at: until })
  }
}

/**
 * Records what came of a call, unless another worker has taken the attempt over meanwhile. A network's clock is not
 * trusted beyond the time during which it was asked.
 * @param random from 0 to 1, spreads what comes back
 * @returns the conversation's next reply to send, if any
 */
export async function finishSendAttempt(
  trx: Trx,
  attempt: SendAttempt,
  outcome: ReplyOutcome,
  now: Date,
  random = 0.5,
): Promise<string | undefined> {
  const found = (await findMessage(trx, attempt.message_id))!
  const conversation = await lockConversationOf(trx, found.id)
  const reason = 'reason' in outcome ? storableText(outcome.reason) : null
  const finished = await finishAttempt(trx, attempt, { finished_at: now, outcome: outcome.outcome, reason })
  if (!finished) return undefined
  const message = (await lockMessage(trx, attempt.message_id))!
  const channel = (await findChannel(trx, message.channel_id))!
  const answered = isAnswer(outcome)
  // A look that finds nothing says nothing about calls.
  if (answered || attempt.looks === 0) await recordCall(trx, channel, answered, { now, random })
  await recordReplyOutcome(trx, conversation, message, bounded(outcome, attempt.started_at, now), now)
  return findNextQueued(trx, conversation.id)
}

function isAnswer(outcome: ReplyOutcome): boolean {
  if (outcome.outcome === 'retry') return outcome.scope === 'reply'
  return outcome.outcome !== 'unknown'
}

function bounded(outcome: ReplyOutcome, started_at: Date, now: Date): ReplyOutcome {
  if (outcome.outcome !== 'sent') return outcome
  const time = Math.min(Math.max(outcome.accepted_at.getTime(), started_at.getTime()), now.getTime())
  return { ...outcome, accepted_at: new Date(time) }
}
