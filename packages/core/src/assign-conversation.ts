import {
  appendEvents,
  type Conversation,
  insertAssignment,
  lockConversation,
  lockWorksIn,
  newId,
  type Trx,
  updateConversation,
} from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'

/**
 * Hands a conversation over, if its owner is still the one the caller saw. Giving it to its present owner changes
 * nothing.
 * @param from the owner the caller saw; null: nobody
 * @throws NotFound, or DomainError `already_assigned` naming the present owner, `validation_failed` for a new one who is
 *   disabled, not of this workspace, or does not see the inbox
 */
export async function assignConversation(
  trx: Trx,
  id: string,
  owners: { from: string | null; to: string | null },
  actor: Actor,
  now: Date,
): Promise<Conversation> {
  const conversation = await lockConversation(trx, id)
  if (!conversation) throw new NotFound('conversation')
  const { assignee_id } = conversation
  if (assignee_id === owners.to) return conversation
  if (assignee_id !== owners.from) {
    throw new DomainError('already_assigned', 'Somebody else owns this conversation by now.', { assignee_id })
  }
  if (owners.to && !(await lockWorksIn(trx, owners.to, conversation.inbox_id))) {
    throw new DomainError('validation_failed', 'assignee_id names nobody who works in this inbox.')
  }
  await insertAssignment(trx, {
    id: newId(now),
    conversation_id: id,
    user_id: owners.to,
    previous_user_id: assignee_id,
    actor_type: actor.type,
    actor_id: actor.id,
    assigned_at: now,
  })
  const type = owners.to ? 'conversation.assigned' : 'conversation.unassigned'
  const data = { assignee_id: owners.to }
  await appendEvents(trx, [{ type, at: now, actor, conversation_id: id, data, previous: { assignee_id } }])
  return updateConversation(trx, id, { assignee_id: owners.to, updated_at: now })
}
