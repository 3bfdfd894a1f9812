import { type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { ContactIdentities } from '../tables.generated.ts'

export type ContactIdentity = Selectable<ContactIdentities>
/** An account as its network described it at `updated_at`, which is the network's time and not ours. */
export type IdentityProfile = Pick<
  ContactIdentity,
  'network' | 'external_id' | 'handle' | 'display_name' | 'avatar_url' | 'updated_at'
>

/** What a person is called of whom we know neither name nor handle. */
export const NAMELESS = 'Someone'

/** Which contact each known account belongs to, by external id. */
export async function findContactsByIdentity(
  trx: Trx,
  network: string,
  external_ids: string[],
): Promise<Map<string, string>> {
  if (external_ids.length === 0) return new Map()
  const { rows } = await sql<{ external_id: string; contact_id: string }>`
    select known.* from unnest(${external_ids}::text[]) as wanted (external_id), lateral (
      select external_id, contact_id from contact_identities
      where network = ${network} and external_id = wanted.external_id limit 1) known`.execute(trx)
  return new Map(rows.map(row => [row.external_id, row.contact_id]))
}

export type NewContact = IdentityProfile & { contact_id: string; identity_id: string }

/**
 * Adds contacts with their one identity, in one statement. Somebody else may add the same identity at once: theirs then
 * counts, and no contact is made. Returns the contacts that were made.
 */
export async function insertContacts(trx: Trx, contacts: NewContact[], now: Date): Promise<Set<string>> {
  const identities = contacts.map(({ identity_id, ...identity }) => ({ id: identity_id, created_at: now, ...identity }))
  // References are checked when the whole statement is over. A contact made first and then taken back would have
  // PostgreSQL look for it in every conversation.
  const { rows } = await sql<{ id: string }>`
    with identities as (
      insert into contact_identities
        (id, contact_id, network, external_id, handle, display_name, avatar_url, created_at, updated_at)
      select id, contact_id, network, external_id, handle, display_name, avatar_url, created_at, updated_at
      from ${rowsOf('contact_identities', identities)} as rows
      on conflict (workspace_id, network, external_id) do nothing
      returning contact_id, coalesce(display_name, handle, ${NAMELESS}) as name)
    insert into contacts (id, name, created_at, updated_at)
    select contact_id, name, ${now}, ${now} from identities
    returning id`.execute(trx)
  return new Set(rows.map(row => row.id))
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

/**
 * Takes over handles, names and pictures that changed on the network, unless we know newer ones.
 * @param profiles one per account
 * @returns the contacts that have another name now; one that the team has named keeps that name
 */
export async function updateIdentityProfiles(trx: Trx, profiles: IdentityProfile[], now: Date): Promise<string[]> {
  if (profiles.length === 0) return []
  const ordered = profiles.toSorted((a, b) => (a.external_id < b.external_id ? -1 : 1))
  const { rows } = await sql<{ id: string }>`
    with changed as (
      update contact_identities i
      set handle = p.handle, display_name = p.display_name, avatar_url = p.avatar_url, updated_at = p.updated_at
      from ${rowsOf('contact_identities', ordered)} p,
        lateral (select ctid from contact_identities i
          where i.network = p.network and i.external_id = p.external_id and ${rankOf('i')} < ${rankOf('p')}
          for update) found
      where i.ctid = found.ctid
      returning i.contact_id, coalesce(i.display_name, i.handle, ${NAMELESS}) as name)
    update contacts c set name = changed.name, updated_at = ${now}, version = c.version + 1
    -- In the order of their ids, as merges lock them; no stronger than a change of a name needs, as other lanes begin
    -- conversations of these contacts meanwhile.
    from (select * from changed order by contact_id) changed, lateral (select ctid from contacts
      where id = changed.contact_id and name <> changed.name and not name_given for no key update) found
    where c.ctid = found.ctid
    returning c.id`.execute(trx)
  return rows.map(row => row.id)
}

/** What a person is called, with the handle they go by as this contact, on the account that was described last. */
export async function findContactName(
  trx: Trx,
  id: string,
): Promise<{ name: string; handle: string | null } | undefined> {
  return trx
    .selectFrom('contacts')
    .leftJoin('contacts as person', join =>
      join.onRef('person.workspace_id', '=', 'contacts.workspace_id').onRef('person.id', '=', 'contacts.merged_into'),
    )
    .select(eb => [
      eb.fn.coalesce('person.name', 'contacts.name').as('name'),
      eb
        .selectFrom('contact_identities')
        .select('handle')
        .whereRef('contact_identities.workspace_id', '=', 'contacts.workspace_id')
        .whereRef('contact_identities.contact_id', '=', 'contacts.id')
        .where('handle', 'is not', null)
        .orderBy('contact_identities.updated_at', 'desc')
        .orderBy('contact_identities.id')
        .limit(1)
        .as('handle'),
    ])
    .where('contacts.id', '=', id)
    .executeTakeFirst()
}
