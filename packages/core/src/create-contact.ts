import type { ContactAttributes } from '@parley/contracts'
import { appendEvents, type Contact, insertContact, newId, type Trx } from '@parley/db'
import type { Member } from '@parley/domain'
import { checkedAttributes } from './change-attributes.ts'

export type ContactContent = {
  name: string
  language: string | null
  do_not_contact: boolean
  attributes: ContactAttributes
}

/**
 * Adds a person by hand: they have no account on any network until they are merged with somebody who has.
 * @throws DomainError `validation_failed` for attributes of another type than was defined
 */
export async function createContact(trx: Trx, content: ContactContent, author: Member, now: Date): Promise<Contact> {
  const id = newId(now)
  const { attributes, ...fields } = content
  await checkedAttributes(trx, 'contact', {}, attributes)
  const contact = await insertContact(trx, {
    id,
    ...fields,
    attributes: JSON.stringify(attributes),
    name_given: true,
    created_at: now,
    updated_at: now,
  })
  // Events about contacts hold no more than their ids: the log is kept when they are erased.
  await appendEvents(trx, [{ type: 'contact.created', at: now, actor: author, data: { contact_id: id } }])
  return contact
}
