import {
  type Channel,
  type Conversation,
  findOldestAwaiting,
  findOnlyCustomer,
  findWaiting,
  listAnsweredFromTheTop,
  listNativeAnswers,
  listOvertaken,
  listSamePerson,
  lockConversation,
  lockWaitsEndedLate,
  type Message,
  markAnswered,
  type NewEvent,
  resumeClocksOf,
  type Trx,
  updateConversation,
} from '@parley/db'
import { SYSTEM, statusAfterReplySent } from '@parley/domain'
import { dispositionEvents } from './disposition-events.ts'
import { endWait, fulfilWait } from './fulfil-wait.ts'
import type { MessageRow } from './message-row.ts'
import type { ChangedConversation } from './sla/settle-clocks.ts'

/** What to log, and the conversations of which the state has changed. */
export type NativeAnswers = { events: NewEvent[]; clocked: ChangedConversation[] }

/**
 * Answers that a person typed in the network's own app end waits like any other, at the network's time; also when the
 * answer reaches us before the message it answers.
 * @param conversations those that were there before
 */
export async function answerNatively(
  trx: Trx,
  channel: Channel,
  inserted: MessageRow[],
  conversations: Conversation[],
  now: Date,
): Promise<NativeAnswers> {
  const ours = inserted.filter(row => row.direction === 'outbound').map(row => row.conversation_id)
  const ids = [...new Set([...conversations.map(row => row.id), ...ours])]
  const answers: NativeAnswers = { events: [], clocked: [] }
  if (ids.length === 0) return answers
  for (const answer of await listNativeAnswers(trx, ids)) await applyAnswer(trx, channel, answer, answers, now)
  const fresh = inserted.filter(row => row.direction === 'outbound' && !row.deleted_at).map(row => row.id)
  for (const answer of await listOvertaken(trx, fresh))
    answers.events.push(...(await precede(trx, channel, answer, now)))
  return answers
}

/** An answer that reaches us behind a later one had ended the wait already. */
async function precede(trx: Trx, channel: Channel, answer: Message, now: Date): Promise<NewEvent[]> {
  const { conversation_id } = answer
  const people = await addressees(trx, answer)
  const judged = await markAnswered(trx, answer, people, channel.connected_at)
  const events = dispositionEvents(judged, SYSTEM, now)
  if (judged.length === 0) return events
  const conversation = (await lockConversation(trx, conversation_id))!
  for (const wait of await lockWaitsEndedLate(trx, answer)) {
    await resumeClocksOf(trx, wait.id, wait.closed_by_message_id!)
    events.push(...(await endWait(trx, conversation, wait, answer, now)))
  }
  return events
}

/**
 * Whom an answer is for. What answers no message by name is for the one customer of its thread, if there is but one; of
 * several, what stands at the top is for those whose policy says so.
 */
async function addressees(trx: Trx, answer: Message): Promise<string[]> {
  const { conversation_id, contact_id, parent_external_id } = answer
  const known = parent_external_id ? contact_id : await findOnlyCustomer(trx, conversation_id)
  return known ? listSamePerson(trx, known) : listAnsweredFromTheTop(trx, answer)
}

async function applyAnswer(
  trx: Trx,
  channel: Channel,
  answer: Message,
  answers: NativeAnswers,
  now: Date,
): Promise<void> {
  const { conversation_id } = answer
  const people = await addressees(trx, answer)
  if (people.length === 0) return
  const conversation = (await lockConversation(trx, conversation_id))!
  const events = dispositionEvents(await markAnswered(trx, answer, people, channel.connected_at), SYSTEM, now)
  for (const each of people) {
    const next = await findOldestAwaiting(trx, { conversation_id, contact_id: each }, channel.connected_at)
    events.push(...(await fulfilWait(trx, channel, conversation, { ...answer, contact_id: each }, next, now)))
  }
  const waiting = await findWaiting(trx, conversation_id)
  const status = statusAfterReplySent(conversation.status, {
    resolve_after: false,
    somebody_waits: waiting.waiting_since !== null,
  })
  answers.events.push(...events)
  if (events.length === 0 && status === conversation.status) return
  const row = await updateConversation(trx, conversation_id, { status, ...waiting, updated_at: now })
  if (status === conversation.status) return
  answers.clocked.push({ ...row, changed: ['status'] })
  const { status: previous } = conversation
  const data = { message_id: answer.id, status }
  const changed = { type: 'conversation.updated' as const, at: now, actor: SYSTEM, conversation_id, data }
  answers.events.push({ ...changed, previous: { status: previous } })
}
