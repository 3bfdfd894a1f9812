import {
  findChannel,
  findContactName,
  findConversation,
  findInbox,
  findSavedReply,
  findUser,
  getWorkspace,
  NAMELESS,
  type Trx,
} from '@parley/db'
import { DomainError, firstName, NotFound, plainValue, type ReplyValues, type ReplyVariable } from '@parley/domain'
import { renderTemplate } from './reply-template.ts'

/**
 * Writes a saved reply out for one conversation and whoever is about to answer it (null: an integration). Stores nothing.
 * @throws NotFound, or DomainError `validation_failed` for an unknown conversation, `conflict` for one in the archive
 */
export async function renderSavedReply(
  trx: Trx,
  id: string,
  conversation_id: string,
  user_id: string | null,
): Promise<{ body: string; missing: ReplyVariable[] }> {
  const reply = await findSavedReply(trx, id)
  if (!reply) throw new NotFound('saved reply')
  const values = await readValues(trx, conversation_id, user_id)
  if (reply.archived_at) throw new DomainError('conflict', 'This saved reply is in the archive.')
  return renderTemplate(reply.body, values)
}

async function readValues(trx: Trx, conversation_id: string, user_id: string | null): Promise<ReplyValues> {
  const conversation = await findConversation(trx, conversation_id)
  if (!conversation) {
    throw new DomainError('validation_failed', 'conversation_id names no conversation of this workspace.')
  }
  const contact = conversation.contact ? await findContactName(trx, conversation.contact.id) : undefined
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
