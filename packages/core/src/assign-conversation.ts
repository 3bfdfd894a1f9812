import { type Conversation, lockConversation, lockWorksIn, type Trx } from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'
import { setOwner } from './set-owner.ts'

/**
 * Hands a conversation over, if its owner is still the one the caller saw, for good: what is assigned does not lapse. Giving
 * it to its present owner changes nothing.
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
  if (assignee_id !== owners.from) throw alreadyAssigned(assignee_id)
  if (owners.to && !(await lockWorksIn(trx, owners.to, conversation.inbox_id))) {
    throw new DomainError('validation_failed', 'assignee_id names nobody who works in this inbox.')
  }
  const reason = owners.to ? 'assigned' : 'unassigned'
  return setOwner(trx, conversation, { to: owners.to, reason }, actor, now)
}

export const alreadyAssigned = (assignee_id: string | null) =>
  new DomainError('already_assigned', 'Somebody else owns this conversation by now.', { assignee_id })
