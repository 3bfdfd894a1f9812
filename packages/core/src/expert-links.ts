import {
  appendEvents,
  type ExpertLink,
  findConversation,
  findExpertLink,
  generateLinkToken,
  hashToken,
  insertExpertLink,
  isAskerThere,
  listKnownSaid,
  listLatestSaid,
  listShown,
  lockConversation,
  lockExpertLink,
  newId,
  type ShownMessage,
  type Trx,
  updateExpertLink,
} from '@parley/db'
import { type Actor, DomainError, type Member, NotFound } from '@parley/domain'
import { addNote } from './add-note.ts'

const SHOWN_BY_DEFAULT = 20

export type ExpertQuestion = {
  conversation_id: string
  name: string
  question: string
  expires_in_seconds: number
  /** What the expert is shown; the last that were said when absent. */
  message_ids?: string[] | undefined
}
export type ShownQuestion = { question: string; subject: string | null; messages: ShownMessage[] }

/**
 * Asks somebody who is no member of the inbox. Parley sends nothing: who asks hands the token on.
 * @throws NotFound, or DomainError `validation_failed` for messages that are not of this conversation, or were never said
 */
export async function askExpert(
  trx: Trx,
  { expires_in_seconds, message_ids, ...asked }: ExpertQuestion,
  actor: Member,
  now: Date,
): Promise<ExpertLink & { token: string }> {
  const { conversation_id } = asked
  if (!(await findConversation(trx, conversation_id))) throw new NotFound('conversation')
  const chosen = [...new Set(message_ids ?? (await listLatestSaid(trx, conversation_id, SHOWN_BY_DEFAULT)))]
  if (message_ids && (await listKnownSaid(trx, conversation_id, chosen)).length < chosen.length) {
    throw new DomainError('validation_failed', 'message_ids names what nobody said in this conversation.')
  }
  const token = generateLinkToken()
  const link = await insertExpertLink(trx, {
    id: newId(now),
    ...asked,
    message_ids: chosen,
    token_hash: hashToken(token),
    created_by_type: actor.type,
    created_by_id: actor.id,
    created_at: now,
    expires_at: new Date(now.getTime() + expires_in_seconds * 1000),
  })
  await log(trx, 'expert_link.created', link, { expires_at: link.expires_at }, actor, now)
  return { ...link, token }
}

/**
 * Takes a question back; doing so again changes nothing.
 * @throws NotFound, or DomainError `conflict` for one that was answered
 */
export async function revokeExpertLink(
  trx: Trx,
  { id, conversation_id }: { id: string; conversation_id: string },
  actor: Actor,
  now: Date,
): Promise<ExpertLink> {
  const link = await lockExpertLink(trx, id)
  if (link?.conversation_id !== conversation_id) throw new NotFound('expert link')
  if (link.answered_at) throw new DomainError('conflict', 'It was answered already.')
  if (link.revoked_at) return link
  await log(trx, 'expert_link.revoked', link, {}, actor, now)
  return updateExpertLink(trx, id, { revoked_at: now })
}

/** What whoever holds a link is shown. @throws NotFound for one that does not open anything any more, whyever */
export async function showQuestion(trx: Trx, id: string, now: Date): Promise<ShownQuestion> {
  const link = await findExpertLink(trx, id)
  const conversation = link && (await findConversation(trx, link.conversation_id))
  if (!conversation || !(await opens(trx, link, conversation.inbox_id, now))) throw new NotFound('expert link')
  const messages = await listShown(trx, conversation.id, link.message_ids)
  return { question: link.question, subject: conversation.subject, messages }
}

/** Keeps an expert's answer as a note, once. @throws NotFound for a link that does not open anything any more, whyever */
export async function answerQuestion(trx: Trx, id: string, body: string, now: Date): Promise<void> {
  const found = await findExpertLink(trx, id)
  // Before the link, as an erasure does.
  const conversation = found && (await lockConversation(trx, found.conversation_id))
  const link = conversation && (await lockExpertLink(trx, id))
  if (!link || !(await opens(trx, link, conversation.inbox_id, now))) throw new NotFound('expert link')
  const author = { type: 'expert' as const, id }
  const { id: message_id } = await addNote(trx, { conversation_id: conversation.id, author, body }, now)
  await updateExpertLink(trx, id, { answered_at: now, message_id })
  const asker_id = link.created_by_type === 'user' ? link.created_by_id : null
  await log(trx, 'expert_link.answered', link, { message_id, asker_id }, author, now)
}

const opens = async (trx: Trx, link: ExpertLink, inbox_id: string, now: Date) =>
  !link.answered_at && !link.revoked_at && link.expires_at > now && (await isAskerThere(trx, link, inbox_id, now))

/** The question, its answer and whom it is for stay out of the log: what people wrote is kept in one place. */
async function log(
  trx: Trx,
  type: 'expert_link.created' | 'expert_link.revoked' | 'expert_link.answered',
  { id, conversation_id }: ExpertLink,
  data: Record<string, unknown>,
  actor: Actor,
  at: Date,
): Promise<void> {
  await appendEvents(trx, [{ type, at, actor, conversation_id, data: { expert_link_id: id, ...data } }])
}
