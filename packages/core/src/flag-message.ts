import {
  appendEvents,
  findChannel,
  findMessage,
  lockConversation,
  lockMessage,
  type Message,
  type NewEvent,
  type Trx,
  updateMessage,
} from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'
import { endModeration, startModeration } from './sla/moderation-clocks.ts'

/** How a flag comes to its end: somebody looked and left the message as it is, or it can be read no longer. */
export type FlagOutcome = 'cleared' | 'hidden' | 'deleted'

const NO_FLAG = { flagged_at: null, flagged_reason: null, flagged_by_type: null, flagged_by_id: null }

/**
 * Flags a customer's message for somebody to look at, and starts the clock of what is promised for that. Twice is the same
 * as once: the first reason stays.
 * @throws NotFound, or DomainError `conflict` for what no customer wrote, or nobody can read any more
 */
export async function flagMessage(
  trx: Trx,
  message_id: string,
  reason: string,
  actor: Actor,
  now: Date,
): Promise<Message> {
  const { message, conversation } = await lockBoth(trx, message_id)
  if (message.direction !== 'inbound') throw new DomainError('conflict', 'Only what customers write can be flagged.')
  if (message.flagged_at) return message
  if (message.deleted_at || message.hidden_at)
    throw new DomainError('conflict', 'The message is hidden or deleted already.')
  const by = { flagged_by_type: actor.type, flagged_by_id: actor.id }
  const flagged = await updateMessage(trx, message_id, { flagged_at: now, flagged_reason: reason, ...by })
  const data = { message_id, contact_id: message.contact_id, reason }
  await appendEvents(trx, [{ type: 'message.flagged', at: now, actor, conversation_id: conversation.id, data }])
  const channel = (await findChannel(trx, message.channel_id))!
  await startModeration(trx, channel, conversation, message_id, actor, now)
  return flagged
}

/**
 * Takes the flag off a message that may stay as it is. Twice is the same as once.
 * @throws NotFound
 */
export async function clearFlag(trx: Trx, message_id: string, actor: Actor, now: Date): Promise<Message> {
  const { message } = await lockBoth(trx, message_id)
  const events = await endFlag(trx, message, { outcome: 'cleared', at: now }, actor, now)
  await appendEvents(trx, events)
  return { ...message, ...NO_FLAG }
}

/** Ends the flag of a message that has one, and its clock, at the time that happened. Returns what to log. */
export async function endFlag(
  trx: Trx,
  message: Message,
  { outcome, at }: { outcome: FlagOutcome; at: Date },
  actor: Actor,
  now: Date,
): Promise<NewEvent[]> {
  const { id: message_id, conversation_id, flagged_at, flagged_reason: reason } = message
  if (!flagged_at) return []
  const conversation = (await lockConversation(trx, conversation_id))!
  await updateMessage(trx, message_id, NO_FLAG)
  const data = { message_id, outcome }
  const previous = { flagged_at, reason }
  return [
    { type: 'message.flag_cleared', at: now, actor, conversation_id, data, previous },
    ...(await endModeration(trx, conversation, message_id, at, actor, now)),
  ]
}

async function lockBoth(trx: Trx, message_id: string) {
  const found = await findMessage(trx, message_id)
  if (!found) throw new NotFound('message')
  const conversation = (await lockConversation(trx, found.conversation_id))!
  return { conversation, message: (await lockMessage(trx, message_id))! }
}
