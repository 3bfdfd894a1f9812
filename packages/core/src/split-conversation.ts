import {
  appendEvents,
  type Conversation,
  copyReads,
  findChannel,
  findExtent,
  findOldestAwaiting,
  findWaiting,
  insertConversations,
  listToMove,
  lockConversation,
  lockOpenWaits,
  type Message,
  moveMessages,
  moveWaitsOf,
  type NewEvent,
  newId,
  shareParticipants,
  type Trx,
  takeConversationNumbers,
  updateConversation,
  type Wait,
} from '@parley/db'
import { type Actor, DomainError, NotFound, SYSTEM, statusAfterMerge } from '@parley/domain'
import { openWaits } from './open-waits.ts'
import { loadPromises } from './sla/promises.ts'
import { settleClocks } from './sla/settle-clocks.ts'
import { followWindows } from './sla/window-clocks.ts'

export type ConversationSplit = {
  message_ids: string[]
  /** Along with everything that answers them there. */
  with_replies: boolean
  /** That of the old one when absent. */
  subject?: string | null | undefined
}

/**
 * Moves messages into a new conversation that nobody owns. What customers answer to them later goes there, everything else
 * of the thread stays with the old one. A wait goes with the message that began it; who has unanswered messages in both
 * waits in both, each since the oldest of them.
 * @returns the id of the new one
 * @throws NotFound, ConversationMerged, or DomainError `version_mismatch`, `validation_failed` for a message that stands
 *   elsewhere, or where nothing would be left
 */
export async function splitConversation(
  trx: Trx,
  id: string,
  split: ConversationSplit,
  expected_version: number,
  actor: Actor,
  now: Date,
): Promise<string> {
  const old = await lockConversation(trx, id)
  if (!old) throw new NotFound('conversation')
  const messages = await listToMove(trx, id, split.message_ids, split.with_replies)
  const found = new Set(messages.map(message => message.id))
  if (split.message_ids.some(message_id => !found.has(message_id)))
    throw new DomainError('validation_failed', 'message_ids names no message of this conversation.')
  if (old.version !== expected_version)
    throw new DomainError('version_mismatch', 'The conversation has changed since you read it.')

  const waits = await lockOpenWaits(trx, id)
  const apart = await insertApart(trx, old, split, messages, now)
  const ids = [...found]
  await moveMessages(trx, ids, apart)
  const left = await findExtent(trx, id)
  if (!left) throw new DomainError('validation_failed', 'No message would be left.')
  const clock_ids = await moveWaitsOf(trx, id, apart, ids)
  await shareParticipants(trx, id, apart)
  await copyReads(trx, id, apart)
  const events = await openBoth(trx, old, apart, waits, found, now)
  await followWindows(trx, [id, apart], 'window_gone', now)
  const waiting = await findWaiting(trx, apart)
  const begun = await updateConversation(trx, apart, {
    ...waiting,
    ...(await findExtent(trx, apart)),
    status: statusAfterMerge(old.status === 'spam' ? 'spam' : 'pending', waiting.waiting_since !== null),
  })
  const { contact_id, first_message_at, first_external_id, last_message_at } = left
  await updateConversation(trx, id, {
    ...(await findWaiting(trx, id)),
    ...(contact_id ? { contact_id, first_message_at, first_external_id } : {}),
    last_message_at,
    updated_at: now,
  })
  const data = { from_id: id, into_id: apart, messages: ids.length, clock_ids }
  const event = { type: 'conversation.split' as const, at: now, actor, data }
  await appendEvents(trx, [{ ...event, conversation_id: id }, { ...event, conversation_id: apart }, ...events])
  await settleClocks(trx, [{ ...begun, changed: ['status'] }], actor, now)
  return apart
}

async function insertApart(
  trx: Trx,
  old: Conversation,
  { subject = old.subject }: ConversationSplit,
  messages: Message[],
  now: Date,
): Promise<string> {
  const id = newId(now)
  const { inbox_id, channel_id, thread_key, post_id, team_id, priority, language, language_source } = old
  const number = await takeConversationNumbers(trx, 1)
  const [first, last] = [messages[0]!.occurred_at, messages.at(-1)!.occurred_at]
  await insertConversations(trx, [
    {
      id,
      number,
      inbox_id,
      channel_id,
      thread_key,
      // The thread stays with the old one.
      thread_current: false,
      split_from_id: old.id,
      subject,
      post_id,
      team_id,
      priority,
      language,
      language_source,
      status: 'pending',
      first_message_at: first,
      last_message_at: last,
      created_at: now,
      updated_at: now,
    },
  ])
  const contact_id = messages.find(message => message.direction === 'inbound')?.contact_id ?? null
  const data = { number, inbox_id, channel_id, contact_id, subject, split_from_id: old.id }
  await appendEvents(trx, [{ type: 'conversation.created', at: now, actor: SYSTEM, conversation_id: id, data }])
  return id
}

/** Whose wait stays on one side and who has unanswered messages on the other waits there too. */
async function openBoth(
  trx: Trx,
  old: Conversation,
  apart: string,
  waits: Wait[],
  moved: Set<string>,
  now: Date,
): Promise<NewEvent[]> {
  const channel = (await findChannel(trx, old.channel_id))!
  const unanswered = []
  for (const { contact_id, opened_by_message_id } of waits) {
    const conversation_id = moved.has(opened_by_message_id) ? old.id : apart
    const message = await findOldestAwaiting(trx, { conversation_id, contact_id }, channel.connected_at)
    if (message) unanswered.push({ ...message, contact_id })
  }
  const promises = await loadPromises(trx, channel)
  const { events } = await openWaits(trx, channel, unanswered, [old, { ...old, id: apart }], promises, now)
  return events
}
