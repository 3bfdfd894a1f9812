import { appendEvents, type Conversation, lockConversation, type Trx, updateConversation } from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'

/**
 * Sets a conversation's status by hand, if it is still in the version the caller saw. Resolving answers nobody: a
 * customer who waits goes on waiting, and their clock goes on running.
 * @throws NotFound, or DomainError `version_mismatch`
 */
export async function changeConversationStatus(
  trx: Trx,
  id: string,
  change: { status: 'open' | 'pending' | 'resolved' | 'spam'; expected_version: number },
  actor: Actor,
  now: Date,
): Promise<Conversation> {
  const conversation = await lockConversation(trx, id)
  if (!conversation) throw new NotFound('conversation')
  if (conversation.version !== change.expected_version) {
    throw new DomainError('version_mismatch', 'The conversation has changed since you read it.')
  }
  const { status } = change
  if (conversation.status === status) return conversation
  const type =
    status === 'resolved'
      ? 'conversation.resolved'
      : status === 'open' && conversation.status === 'resolved'
        ? 'conversation.reopened'
        : 'conversation.updated'
  const previous = { status: conversation.status }
  await appendEvents(trx, [{ type, at: now, actor, conversation_id: id, data: { status }, previous }])
  const resolved_at = status === 'resolved' ? now : null
  return updateConversation(trx, id, { status, resolved_at, updated_at: now })
}
