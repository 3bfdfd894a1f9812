import {
  type ConversationWithContact,
  findConversation,
  lockConversation,
  lockNext,
  lockWorksIn,
  type Trx,
} from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'
import { alreadyAssigned } from './assign-conversation.ts'
import { keepClaim, leaseEnd } from './claim-lease.ts'
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

/**
 * Takes the most urgent open conversation of an inbox that nobody owns. No two get the same one, and nobody gets none while
 * one waits. Undefined when nothing waits.
 * @throws NotFound, or DomainError `validation_failed` for somebody who does not work in the inbox
 */
export async function claimNext(
  trx: Trx,
  inbox_id: string,
  user_id: string,
  actor: Actor,
  now: Date,
): Promise<ConversationWithContact | undefined> {
  const [works, claim_expires_at, conversation] = await Promise.all([
    lockWorksIn(trx, user_id, inbox_id),
    leaseEnd(trx, inbox_id, now),
    lockNext(trx, inbox_id),
  ])
  if (!works) throw notHere()
  if (!conversation) return undefined
  // What it is read for is the contact, which this does not change: so it need not wait for the change.
  const [taken, found] = await Promise.all([
    setOwner(trx, conversation, { to: user_id, reason: 'next', claim_expires_at }, actor, now),
    findConversation(trx, conversation.id),
  ])
  return { ...taken, contact: found!.contact }
}

const notHere = () => new DomainError('validation_failed', 'This person does not work in this inbox.')
