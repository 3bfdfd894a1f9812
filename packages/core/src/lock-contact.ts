import { type Contact, lockContacts, type Trx } from '@parley/db'
import { DomainError, NotFound } from '@parley/domain'

/**
 * Locks a contact that can be changed.
 * @throws NotFound, or DomainError `conflict` for one that was merged, with whom it is now, or that was erased
 */
export async function lockContact(trx: Trx, id: string): Promise<Contact> {
  const [contact] = await lockContacts(trx, [id])
  if (!contact) throw new NotFound('contact')
  refuseUnchangeable(contact)
  return contact
}

/** @throws DomainError `conflict` */
export function refuseUnchangeable({ id, merged_into, erased_at }: Contact): void {
  const contact_id = id
  if (merged_into) throw new DomainError('conflict', 'The contact was merged.', { contact_id, merged_into })
  if (erased_at) throw new DomainError('conflict', 'The contact was erased.', { contact_id, erased_at })
}
