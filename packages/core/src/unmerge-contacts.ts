import {
  appendEvents,
  type Contact,
  closeContactLink,
  findContact,
  findContactLink,
  listMergedBelow,
  lockContacts,
  setMergedInto,
  type Trx,
} from '@parley/db'
import { DomainError, type Member, NotFound } from '@parley/domain'
import { refuseUnchangeable } from './lock-contact.ts'

/**
 * Undoes a merge, also one that others have followed: who was merged is themself again, with all their accounts, what
 * these have brought since, and whoever was merged into them.
 * @param contact_id of the person as they are now, or of whom they were merged into at the time
 * @throws NotFound, or DomainError `validation_failed` for a merge that is not this contact's, `conflict` for one that
 *   was undone, or when the contact was erased
 */
export async function unmergeContacts(
  trx: Trx,
  contact_id: string,
  merge_id: string,
  actor: Member,
  now: Date,
): Promise<{ merge_id: string; contact: Contact; restored: Contact }> {
  if (!(await findContact(trx, contact_id))) throw new NotFound('contact')
  const link = await findContactLink(trx, merge_id)
  const seen = link && (await findContact(trx, link.from_id))
  if (!link || !seen || ![link.into_id, seen.merged_into].includes(contact_id)) {
    throw new DomainError('validation_failed', 'merge_id names no merge of this contact.')
  }
  const person_id = seen.merged_into
  if (link.unmerged_at || !person_id) throw new DomainError('conflict', 'The merge was undone already.')
  // Whoever changes of whom a person is made holds the lock of that person.
  const locked = await lockContacts(trx, [person_id, link.from_id])
  const person = locked.find(({ id }) => id === person_id)!
  if (locked.find(({ id }) => id === link.from_id)!.merged_into !== person_id) {
    throw new DomainError('conflict', 'The contact was merged or taken apart at this moment: look again.')
  }
  refuseUnchangeable(person)
  await setMergedInto(trx, await listMergedBelow(trx, link.from_id), link.from_id)
  await setMergedInto(trx, [link.from_id], null)
  await closeContactLink(trx, merge_id, actor, now)
  const data = { contact_id: person_id, restored_id: link.from_id, merge_id }
  await appendEvents(trx, [{ type: 'contact.unmerged', at: now, actor, data }])
  const [contact, restored] = [await findContact(trx, person_id), await findContact(trx, link.from_id)]
  return { merge_id, contact: contact!, restored: restored! }
}
