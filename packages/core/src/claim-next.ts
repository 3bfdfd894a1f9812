import { type ConversationWithContact, listConversationsByIds, lockNext, lockWorkersOf, type Trx } from '@parley/db'
import { type Actor, DomainError } from '@parley/domain'
import { leaseEnd } from './claim-lease.ts'
import { setOwners } from './set-owner.ts'

/** Who asks for the next conversation. */
export type Claimant = { user_id: string; actor: Actor }
/** What they get. `again`: somebody else got what there was at this moment, and more may wait. */
export type Next = ConversationWithContact | 'nothing_waits' | 'again' | 'not_here'

/**
 * Takes the most urgent open conversations of an inbox that nobody owns, one for each who asks, the most urgent for the first.
 * No two get the same one, and nobody is told that nothing waits while something does. A lone one is never asked to come `again`.
 * @returns what each gets, in the order in which they were given
 * @throws NotFound when there is no such inbox
 */
export async function claimNext(trx: Trx, inbox_id: string, claimants: Claimant[], now: Date): Promise<Next[]> {
  const people = claimants.map(({ user_id }) => user_id)
  const [workers, claim_expires_at, waiting] = await Promise.all([
    lockWorkersOf(trx, people, inbox_id),
    leaseEnd(trx, inbox_id, now),
    lockNext(trx, inbox_id, claimants.length),
  ])
  const entitled = claimants.filter(({ user_id }) => workers.has(user_id))
  const given = waiting.slice(0, entitled.length).map((conversation, place) => {
    const { user_id, actor } = entitled[place]!
    return { conversation, to: user_id, reason: 'next' as const, claim_expires_at, actor }
  })
  const [taken, found] = await Promise.all([
    setOwners(trx, given, now),
    // What it is read for is the contact, which this does not change: so it need not wait for the change.
    listConversationsByIds(
      trx,
      given.map(({ conversation }) => conversation.id),
    ),
  ])
  const contacts = new Map(found.map(({ id, contact }) => [id, contact]))
  const places = new Map(entitled.map((claimant, place) => [claimant, place]))
  return claimants.map(claimant => {
    const place = places.get(claimant)
    if (place === undefined) return 'not_here'
    const conversation = taken[place]
    if (conversation) return { ...conversation, contact: contacts.get(conversation.id)! }
    return waiting.length > 0 ? 'again' : 'nothing_waits'
  })
}

export const notHere = () => new DomainError('validation_failed', 'This person does not work in this inbox.')
