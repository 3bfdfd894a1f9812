import { isDeepStrictEqual } from 'node:util'
import {
  appendEvents,
  type Contact,
  findContact,
  findNetworkName,
  listPersonIds,
  setDoNotContact,
  type Trx,
  updateContact,
  wantsNoContact,
} from '@parley/db'
import { type AttributeChanges, DomainError, type Member } from '@parley/domain'
import { checkedAttributes, withAttributes } from './change-attributes.ts'
import { lockContact } from './lock-contact.ts'

const MAX_ATTRIBUTES = 50

export type ContactChange = {
  /** Null: what the networks call them. */
  name?: string | null | undefined
  language?: string | null | undefined
  do_not_contact?: boolean | undefined
  /** Null takes one away; those that are not named stay. */
  attributes?: AttributeChanges | undefined
}

/**
 * Changes what is kept of a person, if it is still in the version the caller saw. A change to what it is already changes
 * nothing.
 * @throws NotFound, or DomainError `version_mismatch`, `conflict` when it was merged or erased, `validation_failed` for
 *   too many attributes, or those of another type than was defined
 */
export async function changeContact(
  trx: Trx,
  id: string,
  change: ContactChange,
  expected_version: number,
  actor: Member,
  now: Date,
): Promise<Contact> {
  const present = await lockContact(trx, id)
  if (present.version !== expected_version) {
    throw new DomainError('version_mismatch', 'The contact has changed since you read it.')
  }
  const everybody = await listPersonIds(trx, id)
  const wanted = {
    name: change.name === null ? await findNetworkName(trx, id) : (change.name ?? present.name),
    name_given: change.name === undefined ? present.name_given : change.name !== null,
    language: change.language === undefined ? present.language : change.language,
    do_not_contact: change.do_not_contact ?? (await wantsNoContact(trx, everybody)),
    attributes: await mergedAttributes(trx, present.attributes, change.attributes ?? {}),
  }
  const before = { ...present, do_not_contact: await wantsNoContact(trx, everybody) }
  const changed = (Object.keys(wanted) as (keyof typeof wanted)[]).filter(
    field => !isDeepStrictEqual(wanted[field], before[field]),
  )
  if (changed.length === 0) return before
  const { name, name_given, language, do_not_contact, attributes } = wanted
  if (changed.includes('do_not_contact')) await setDoNotContact(trx, everybody, do_not_contact)
  await updateContact(trx, id, {
    name,
    name_given,
    language,
    attributes: JSON.stringify(attributes),
    updated_at: now,
  })
  await appendEvents(trx, [{ type: 'contact.updated', at: now, actor, data: { contact_id: id, changed } }])
  return (await findContact(trx, id))!
}

async function mergedAttributes(trx: Trx, present: Contact['attributes'], given: AttributeChanges) {
  const attributes = withAttributes(present, await checkedAttributes(trx, 'contact', present, given))
  if (Object.keys(attributes).length > MAX_ATTRIBUTES) {
    throw new DomainError('validation_failed', `A contact has at most ${MAX_ATTRIBUTES} attributes.`)
  }
  return attributes
}
