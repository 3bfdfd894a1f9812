import type { ConnectorAuthor } from '@parley/contracts'
import {
  findContactsByIdentity,
  type IdentityProfile,
  insertContacts,
  type NewEvent,
  newId,
  outranks,
  type Trx,
} from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { boundedKey } from './bounded-key.ts'

/**
 * The namespace in which a network's account ids are unique. Ids of a generic channel mean something within that
 * channel alone: the same id on two of them is two people.
 */
export function identityNetwork(channel: { id: string; kind: string }): string {
  return channel.kind === 'generic' ? `generic:${channel.id}` : channel.kind
}

/** An author as the network described them at that time. */
export type DescribedAuthor = { author: ConnectorAuthor; version_at: Date }

export type ResolvedContacts = {
  /** The contact of an author, by the author's id on the network. */
  contactOf: (external_id: string) => string
  /** What the batch says of accounts that were known already: see `updateIdentityProfiles`. */
  described: IdentityProfile[]
  /** What the log says of those who are new. */
  events: NewEvent[]
}

/** Finds or creates the contact of each author. */
export async function resolveContacts(
  trx: Trx,
  channel: { id: string; kind: string },
  authors: DescribedAuthor[],
  now: Date,
): Promise<ResolvedContacts> {
  const network = identityNetwork(channel)
  const profiles = new Map<string, IdentityProfile>()
  for (const { author, version_at } of authors) {
    const profile = { ...author, external_id: boundedKey(author.external_id), network, updated_at: version_at }
    const known = profiles.get(profile.external_id)
    if (!known || outranks(profile, known)) profiles.set(profile.external_id, profile)
  }
  const ids = [...profiles.keys()].sort()
  const contacts = await findContactsByIdentity(trx, network, ids)
  const added = ids
    .filter(id => !contacts.has(id))
    .map(external_id => ({ ...profiles.get(external_id)!, contact_id: newId(now), identity_id: newId(now) }))
  const made = added.length > 0 ? await insertContacts(trx, added, now) : new Set<string>()
  const others = added.filter(({ contact_id }) => !made.has(contact_id)).map(({ external_id }) => external_id)
  const described = [...contacts.keys(), ...others].map(id => profiles.get(id)!)
  for (const { external_id, contact_id } of added) if (made.has(contact_id)) contacts.set(external_id, contact_id)
  // The others were added by somebody else meanwhile.
  for (const [id, contact_id] of await findContactsByIdentity(trx, network, others)) contacts.set(id, contact_id)
  const events = [...made].map(
    (contact_id): NewEvent => ({ type: 'contact.created', at: now, actor: SYSTEM, data: { contact_id } }),
  )
  return { contactOf: external_id => contacts.get(boundedKey(external_id))!, described, events }
}
