import {
  appendEvents,
  type Channel,
  currentSendEpoch,
  findChannel,
  findLatestAttempt,
  findMessage,
  finishAttempt,
  hasEarlierAction,
  insertAttempt,
  lockConversationOf,
  lockMessage,
  lockMessageAction,
  type Message,
  type MessageAction,
  type NewEvent,
  pauseChannel,
  type SendAttempt,
  type Trx,
  updateMessageAction,
} from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { applyAction } from './apply-action.ts'
import { inBatch } from './batches/in-batch.ts'
import { maySend, recordCall, sendsAgainAt } from './channel-breaker.ts'
import { leaseFrom } from './send-lease.ts'
import { storableText } from './storable-text.ts'

const NOT_READY_MS = 30_000

/** What is to be done about an action now. */
export type ActionTask =
  | { task: 'act'; action: MessageAction; message: Message; channel: Channel; attempt: SendAttempt }
  | { task: 'nothing'; reason: 'not_due' | 'channel_not_ready' | 'earlier_action_first' | 'moved' }

/** What a network said to an action. `unknown` with a time is done again then: a repeat changes nothing. */
export type ActionResult =
  | { outcome: 'sent'; accepted_at: Date }
  | { outcome: 'rejected'; reason: string }
  | { outcome: 'retry'; reason: string; retry_at: Date; scope?: 'reply' }
  | { outcome: 'unknown'; reason: string; again_at: Date | null }

/**
 * Commits to one call to the network about an action. One whose call came to nothing, or whose worker died, is simply
 * called for again, under a new attempt that shuts the old worker out.
 */
export async function takeActionTask(trx: Trx, action_id: string, now: Date): Promise<ActionTask> {
  const action = await lockMessageAction(trx, action_id)
  if (!action?.next_attempt_at || action.next_attempt_at > now) return { task: 'nothing', reason: 'not_due' }
  if (await hasEarlierAction(trx, action)) return { task: 'nothing', reason: 'earlier_action_first' }
  if (action.send_epoch !== (await currentSendEpoch(trx))) {
    const state_reason = 'It was queued before this database was restored. Do it again, or leave it.'
    await updateMessageAction(trx, action.id, { state: 'unknown', state_reason, next_attempt_at: null })
    await appendEvents(trx, [eventOf(action, 'action.unknown', { reason: state_reason }, now)])
    return { task: 'nothing', reason: 'moved' }
  }
  const channel = (await findChannel(trx, action.channel_id))!
  if (!(await maySend(trx, channel, now))) {
    const next_attempt_at = sendsAgainAt(channel, now) ?? new Date(now.getTime() + NOT_READY_MS)
    await updateMessageAction(trx, action.id, { next_attempt_at })
    return { task: 'nothing', reason: 'channel_not_ready' }
  }
  const lease_until = leaseFrom(now)
  const latest = await findLatestAttempt(trx, action.id)
  const attempt = await insertAttempt(trx, {
    message_id: action.message_id,
    action_id: action.id,
    number: (latest?.number ?? 0) + 1,
    prepared: '{}',
    started_at: now,
    lease_until,
  })
  const sending = await updateMessageAction(trx, action.id, { state: 'sending', next_attempt_at: lease_until })
  const message = (await findMessage(trx, action.message_id))!
  return { task: 'act', action: sending, message, channel, attempt }
}

/**
 * Records what came of it, unless another worker has begun anew meanwhile. What the network accepted is then so here.
 * @param random from 0 to 1, spreads what comes back
 */
export async function finishAction(
  trx: Trx,
  attempt: SendAttempt,
  result: ActionResult,
  now: Date,
  random: number,
): Promise<void> {
  const found = (await findMessage(trx, attempt.message_id))!
  const conversation = await lockConversationOf(trx, found.id)
  const action = (await lockMessageAction(trx, attempt.action_id!))!
  const reason = 'reason' in result ? storableText(result.reason) : null
  const latest = await findLatestAttempt(trx, action.id)
  if (latest?.number !== attempt.number) return
  if (!(await finishAttempt(trx, attempt, { finished_at: now, outcome: result.outcome, reason }))) return
  const channel = (await findChannel(trx, action.channel_id))!
  const answered = result.outcome === 'sent' || result.outcome === 'rejected'
  await recordCall(trx, channel, answered, { now, random })
  const change = { state_reason: reason, next_attempt_at: null }
  switch (result.outcome) {
    case 'sent': {
      await updateMessageAction(trx, action.id, { ...change, state: 'sent', done_at: result.accepted_at })
      const message = (await lockMessage(trx, action.message_id))!
      const events = await applyAction(trx, { channel, conversation, message, action }, result.accepted_at, now)
      const sent = eventOf(action, 'action.sent', { accepted_at: result.accepted_at }, now)
      return appendEvents(trx, [sent, ...inBatch(events, action.batch_id)])
    }
    case 'rejected':
      await updateMessageAction(trx, action.id, { ...change, state: 'rejected' })
      return appendEvents(trx, [eventOf(action, 'action.rejected', { reason }, now)])
    case 'retry': {
      const { retry_at } = result
      await pauseChannel(trx, channel.id, 'writes', retry_at)
      await updateMessageAction(trx, action.id, { ...change, state: 'queued', next_attempt_at: retry_at })
      return
    }
    case 'unknown': {
      await updateMessageAction(trx, action.id, { ...change, state: 'unknown', next_attempt_at: result.again_at })
      if (!result.again_at) await appendEvents(trx, [eventOf(action, 'action.unknown', { reason }, now)])
      return
    }
    default:
      return result satisfies never
  }
}

function eventOf(action: MessageAction, type: NewEvent['type'], data: Record<string, unknown>, now: Date): NewEvent {
  const { id, message_id, conversation_id, verb, batch_id } = action
  const told = { action_id: id, message_id, verb, ...data }
  return inBatch([{ type, at: now, actor: SYSTEM, conversation_id, data: told }], batch_id)[0]!
}
