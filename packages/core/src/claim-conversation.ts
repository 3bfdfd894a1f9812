import { lockConversation, lockWorksIn, type Trx } from '@parley/db'
import { type Actor, NotFound } from '@parley/domain'
import { alreadyAssigned } from './assign-conversation.ts'
import { keepClaim, leaseEnd } from './claim-lease.ts'
import { notHere } from './claim-next.ts'
import { setOwner } from './set-owner.ts'

/**
 * Takes a conversation that nobody owns, for as long as the inbox lends it. Claiming what one has already is work on it.
 * @throws NotFound, or DomainError `already_assigned` naming the present owner, `validation_failed` for somebody who does
 *   not work in the inbox
 */
export async function claimConversation(trx: Trx, id: string, user_id: string, actor: Actor, now: Date): Promise<void> {
  const conversation = await lockConversation(trx, id)
  if (!conversation) throw new NotFound('conversation')
  const { assignee_id, inbox_id } = conversation
  if (assignee_id === user_id) return keepClaim(trx, conversation, actor, now)
  if (assignee_id) throw alreadyAssigned(assignee_id)
  const [works, claim_expires_at] = await Promise.all([
    lockWorksIn(trx, user_id, inbox_id),
    leaseEnd(trx, inbox_id, now),
  ])
  if (!works) throw notHere()
  const lease = conversation.status === 'open' ? claim_expires_at : null
  await setOwner(trx, conversation, { to: user_id, reason: 'claimed', claim_expires_at: lease }, actor, now)
}
