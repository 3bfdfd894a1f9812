import {
  findChannel,
  findContactName,
  findConversation,
  findInbox,
  findLatestCustomerMessage,
  findMessage,
  findSavedReply,
  findUser,
  getWorkspace,
  NAMELESS,
  type Trx,
} from '@parley/db'
import { DomainError, firstName, NotFound, plainValue, type ReplyValues, type ReplyVariable } from '@parley/domain'
import { renderTemplate } from './reply-template.ts'

export const UNKNOWN_CONVERSATION = 'conversation_id names no conversation of this workspace.'

/** What is about to be answered, and by whom; `user_id` null: by an integration. */
export type Occasion = { conversation_id: string; in_reply_to?: string | undefined; user_id: string | null }

/**
 * Writes a saved reply out as an answer to one message, the latest of a customer where none is named. Several customers
 * may write in a conversation: `contact` is the one who is answered. Stores nothing.
 * @throws NotFound, or DomainError `validation_failed` for an unknown conversation or message, `conflict` for a reply in
 *   the archive
 */
export async function renderSavedReply(
  trx: Trx,
  id: string,
  occasion: Occasion,
): Promise<{ body: string; missing: ReplyVariable[] }> {
  const reply = await findSavedReply(trx, id)
  if (!reply) throw new NotFound('saved reply')
  const values = await readReplyValues(trx, occasion)
  if (reply.archived_at) throw new DomainError('conflict', 'This saved reply is in the archive.')
  return renderTemplate(reply.body, values)
}

/**
 * What the variables of a template stand for.
 * @throws DomainError `validation_failed` for an unknown conversation or message
 */
export async function readReplyValues(
  trx: Trx,
  { conversation_id, in_reply_to, user_id }: Occasion,
): Promise<ReplyValues> {
  const conversation = await findConversation(trx, conversation_id)
  if (!conversation) {
    throw new DomainError('validation_failed', UNKNOWN_CONVERSATION)
  }
  const answered = in_reply_to
    ? await findMessage(trx, in_reply_to)
    : await findLatestCustomerMessage(trx, conversation_id)
  if (in_reply_to && (answered?.conversation_id !== conversation_id || answered.direction !== 'inbound')) {
    throw new DomainError('validation_failed', 'in_reply_to names no message of a customer in this conversation.')
  }
  const contact_id = answered?.contact_id ?? conversation.contact?.id
  const contact = contact_id ? await findContactName(trx, contact_id) : undefined
  const channel = await findChannel(trx, conversation.channel_id)
  const inbox = await findInbox(trx, conversation.inbox_id)
  const user = user_id ? await findUser(trx, user_id) : undefined
  const contactName = contact?.name === NAMELESS ? undefined : plainValue(contact?.name)
  const agentName = plainValue(user?.name)
  return {
    'contact.name': contactName,
    'contact.first_name': firstName(contactName),
    'contact.handle': plainValue(contact?.handle?.replace(/^@/, '')),
    'agent.name': agentName,
    'agent.first_name': firstName(agentName),
    'conversation.number': String(conversation.number),
    'conversation.subject': plainValue(conversation.subject),
    'channel.name': plainValue(channel?.name),
    'channel.kind': channel?.kind,
    'inbox.name': plainValue(inbox?.name),
    'workspace.name': plainValue((await getWorkspace(trx)).name),
  }
}
