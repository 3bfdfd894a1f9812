import { type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { insertRows, rowsOf } from '../rows.ts'
import type { ContactIdentities } from '../tables.generated.ts'

export type ContactIdentity = Selectable<ContactIdentities>
/** An account as its network described it at `updated_at`, which is the network's time and not ours. */
export type IdentityProfile = Pick<
  ContactIdentity,
  'network' | 'external_id' | 'handle' | 'display_name' | 'avatar_url' | 'updated_at'
>

const NAMELESS = 'Someone'

/** What a person is called when all we know is this account. */
export function nameOfProfile(profile: Pick<IdentityProfile, 'display_name' | 'handle'>): string {
  return profile.display_name ?? profile.handle ?? NAMELESS
}

/** Which contact each known account belongs to, by external id. */
export async function findContactsByIdentity(
  trx: Trx,
  network: string,
  external_ids: string[],
): Promise<Map<string, string>> {
  const { rows } = await sql<{ external_id: string; contact_id: string }>`
    select external_id, contact_id from contact_identities
    where network = ${network} and external_id = any(${external_ids}::text[])`.execute(trx)
  return new Map(rows.map(row => [row.external_id, row.contact_id]))
}

export type NewContact = IdentityProfile & { contact_id: string; identity_id: string }

/** Adds contacts with their one identity. Somebody else may add the same identity at once: theirs then counts. */
export async function insertContacts(trx: Trx, contacts: NewContact[], now: Date): Promise<void> {
  const stamps = { created_at: now, updated_at: now }
  await insertRows(
    trx,
    'contacts',
    contacts.map(contact => ({ id: contact.contact_id, name: nameOfProfile(contact), ...stamps })),
  )
  const identities = contacts.map(({ identity_id, ...identity }) => ({
    id: identity_id,
    created_at: now,
    ...identity,
  }))
  const { rows } = await sql<{ contact_id: string }>`
    insert into contact_identities
      (id, contact_id, network, external_id, handle, display_name, avatar_url, created_at, updated_at)
    select id, contact_id, network, external_id, handle, display_name, avatar_url, created_at, updated_at
    from ${rowsOf('contact_identities', identities)}
    on conflict (workspace_id, network, external_id) do nothing
    returning contact_id`.execute(trx)
  if (rows.length === contacts.length) return
  const kept = new Set(rows.map(row => row.contact_id))
  const orphans = contacts.map(contact => contact.contact_id).filter(id => !kept.has(id))
  await sql`delete from contacts where id = any(${orphans}::uuid[])`.execute(trx)
}

/**
 * Which of two descriptions of an account counts, as a row to compare: one with a name, then the newer one. Two of the
 * same moment are decided by what they say, so that the order in which they come does not matter.
 */
const rankOf = (profile: 'i' | 'p') => sql`(
  ${sql.ref(`${profile}.display_name`)} is not null or ${sql.ref(`${profile}.handle`)} is not null,
  ${sql.ref(`${profile}.updated_at`)},
  coalesce(${sql.ref(`${profile}.handle`)}, '') collate "C",
  coalesce(${sql.ref(`${profile}.display_name`)}, '') collate "C",
  coalesce(${sql.ref(`${profile}.avatar_url`)}, '') collate "C")`

/** The same order as in Postgres, for descriptions that come together. */
export function outranks(a: IdentityProfile, b: IdentityProfile): boolean {
  const named = (profile: IdentityProfile) => Number(profile.display_name !== null || profile.handle !== null)
  const order =
    named(a) - named(b) ||
    a.updated_at.getTime() - b.updated_at.getTime() ||
    compareBytes(a.handle, b.handle) ||
    compareBytes(a.display_name, b.display_name) ||
    compareBytes(a.avatar_url, b.avatar_url)
  return order > 0
}

const compareBytes = (a: string | null, b: string | null) => Buffer.compare(Buffer.from(a ?? ''), Buffer.from(b ?? ''))

/** Takes over handles, names and pictures that changed on the network, unless we know newer ones. */
export async function updateIdentityProfiles(trx: Trx, profiles: IdentityProfile[], now: Date): Promise<void> {
  await sql`
    with changed as (
      update contact_identities i
      set handle = p.handle, display_name = p.display_name, avatar_url = p.avatar_url, updated_at = p.updated_at
      from ${rowsOf('contact_identities', profiles)} p
      where i.network = p.network and i.external_id = p.external_id and ${rankOf('i')} < ${rankOf('p')}
      returning i.contact_id, coalesce(i.display_name, i.handle, ${NAMELESS}) as name)
    update contacts c set name = changed.name, updated_at = ${now}
    from changed where c.id = changed.contact_id and c.name <> changed.name`.execute(trx)
}
