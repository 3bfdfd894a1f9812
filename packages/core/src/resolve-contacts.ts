import type { ConnectorAuthor } from '@parley/contracts'
import {
  findContactsByIdentity,
  type IdentityProfile,
  insertContacts,
  newId,
  outranks,
  type Trx,
  updateIdentityProfiles,
} from '@parley/db'
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

/** Finds or creates the contact of each author. Returns contact ids by the author's external id. */
export async function resolveContacts(
  trx: Trx,
  channel: { id: string; kind: string },
  authors: DescribedAuthor[],
  now: Date,
): Promise<(external_id: string) => string> {
  const network = identityNetwork(channel)
  const profiles = new Map<string, IdentityProfile>()
  for (const { author, version_at } of authors) {
    const profile = { ...author, external_id: boundedKey(author.external_id), network, updated_at: version_at }
    const known = profiles.get(profile.external_id)
    if (!known || outranks(profile, known)) profiles.set(profile.external_id, profile)
  }
  const ids = [...profiles.keys()].sort()
  const contacts = await findContactsByIdentity(trx, network, ids)
  const known = ids.filter(id => contacts.has(id))
  if (known.length > 0)
    await updateIdentityProfiles(
      trx,
      known.map(id => profiles.get(id)!),
      now,
    )
  const missing = ids.filter(id => !contacts.has(id))
  if (missing.length > 0) {
    const added = missing.map(external_id => ({
      ...profiles.get(external_id)!,
      contact_id: newId(now),
      identity_id: newId(now),
    }))
    const made = await insertContacts(trx, added, now)
    for (const { external_id, contact_id } of added) if (made.has(contact_id)) contacts.set(external_id, contact_id)
    // The others were added by somebody else meanwhile.
    const others = added.filter(({ contact_id }) => !made.has(contact_id)).map(({ external_id }) => external_id)
    for (const [id, contact_id] of await findContactsByIdentity(trx, network, others)) contacts.set(id, contact_id)
  }
  return external_id => contacts.get(boundedKey(external_id))!
}
