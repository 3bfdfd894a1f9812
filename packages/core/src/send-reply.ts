import {
  type Channel,
  findChannel,
  findConversation,
  findLatestAttempt,
  findMessage,
  findNextQueued,
  finishAttempt,
  hasEarlierUnsent,
  insertAttempt,
  lockConversation,
  lockMessage,
  type Message,
  type SendAttempt,
  type Trx,
  takeOverAttempt,
  updateMessage,
} from '@parley/db'
import { boundedKey } from './bounded-key.ts'
import { type ReplyOutcome, recordReplyOutcome } from './record-reply-outcome.ts'
import { storableText } from './storable-text.ts'

/** For how long an attempt belongs to the worker that began it; longer than any call to a network may take. */
const LEASE_MS = 60_000

/** What is to be done about a reply now. */
export type SendTask =
  | { task: 'send'; message: Message; channel: Channel; parent: Message | undefined; thread_key: string }
  /** An earlier call's outcome is not known: ask the network. */
  | { task: 'look_up'; message: Message; channel: Channel; attempt: SendAttempt }
  | { task: 'nothing'; reason: 'not_due' | 'channel_not_ready' | 'earlier_reply_first' }

/**
 * Decides about one reply. A reply that was being sent when its worker died is taken over here, under a new lease:
 * the old worker, should it wake up, can then record nothing.
 */
export async function takeSendTask(trx: Trx, message_id: string, now: Date): Promise<SendTask> {
  const message = await lockMessage(trx, message_id)
  if (!message?.next_attempt_at || message.next_attempt_at > now) return { task: 'nothing', reason: 'not_due' }
  const channel = (await findChannel(trx, message.channel_id))!
  if (channel.status !== 'active' || (channel.resume_at && channel.resume_at > now)) {
    return { task: 'nothing', reason: 'channel_not_ready' }
  }
  if (message.state === 'queued') {
    if (await hasEarlierUnsent(trx, message)) return { task: 'nothing', reason: 'earlier_reply_first' }
    const parent = message.in_reply_to ? await findMessage(trx, message.in_reply_to) : undefined
    const conversation = await findConversation(trx, message.conversation_id)
    return { task: 'send', message, channel, parent, thread_key: conversation!.thread_key }
  }
  const lease_until = new Date(now.getTime() + LEASE_MS)
  const latest = (await findLatestAttempt(trx, message.id))!
  const attempt = await takeOverAttempt(trx, latest, lease_until)
  await updateMessage(trx, message.id, { next_attempt_at: lease_until })
  return { task: 'look_up', message, channel, attempt }
}

/**
 * Commits to one call to the network, with exactly what will be sent. Undefined when the reply is no longer queued:
 * another worker has it, or its author took it back.
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
  const lease_until = new Date(now.getTime() + LEASE_MS)
  const previous = await findLatestAttempt(trx, message_id)
  const external_id = expected_id && boundedKey(expected_id)
  await updateMessage(trx, message_id, { state: 'sending', next_attempt_at: lease_until, external_id })
  const number = (previous?.number ?? 0) + 1
  return insertAttempt(trx, { message_id, number, prepared: JSON.stringify(prepared), started_at: now, lease_until })
}

/** Gives a reply back that could not even be prepared: its network or its author's text says no. */
export async function refuseReply(trx: Trx, message_id: string, reason: string, now: Date): Promise<void> {
  const found = (await findMessage(trx, message_id))!
  const conversation = (await lockConversation(trx, found.conversation_id))!
  const message = (await lockMessage(trx, message_id))!
  if (message.state !== 'queued') return
  await recordReplyOutcome(trx, conversation, message, { outcome: 'rejected', reason }, now)
}

/** Looks at a reply again later; nothing has been sent. */
export async function postponeReply(trx: Trx, message_id: string, until: Date): Promise<void> {
  const message = await lockMessage(trx, message_id)
  if (message?.state === 'queued') await updateMessage(trx, message_id, { next_attempt_at: until })
}

/**
 * Records what came of a call, unless another worker has taken the attempt over meanwhile. A network's clock is not
 * trusted beyond the time during which it was asked.
 * @returns the conversation's next reply to send, if any
 */
export async function finishSendAttempt(
  trx: Trx,
  attempt: SendAttempt,
  outcome: ReplyOutcome,
  now: Date,
): Promise<string | undefined> {
  const found = (await findMessage(trx, attempt.message_id))!
  // The conversation's lock comes first everywhere; inbound messages of the thread wait for it as well.
  const conversation = (await lockConversation(trx, found.conversation_id))!
  const reason = 'reason' in outcome ? storableText(outcome.reason) : null
  const finished = await finishAttempt(trx, attempt, { finished_at: now, outcome: outcome.outcome, reason })
  if (!finished) return undefined
  await recordReplyOutcome(trx, conversation, found, bounded(outcome, attempt.started_at, now), now)
  return findNextQueued(trx, conversation.id)
}

function bounded(outcome: ReplyOutcome, started_at: Date, now: Date): ReplyOutcome {
  if (outcome.outcome !== 'sent') return outcome
  const time = Math.min(Math.max(outcome.accepted_at.getTime(), started_at.getTime()), now.getTime())
  return { ...outcome, accepted_at: new Date(time) }
}
