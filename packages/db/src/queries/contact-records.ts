import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { Contacts } from '../tables.generated.ts'
import { type ContactIdentity, NAMELESS } from './contacts.ts'
import { type ConversationWithContact, nestContact, withContact } from './conversations.ts'

/** A person. `attributes` are flat: texts, numbers, and yes or no. */
export type Contact = Omit<Selectable<Contacts>, 'attributes'> & { attributes: Record<string, unknown> }

/** Behind every text that begins alike. */
const LAST = '\u{10ffff}'

/** With what holds for the person: nobody is written to who said so as anybody they were merged with. */
const records = (trx: Trx) =>
  trx
    .selectFrom('contacts')
    .selectAll()
    .select(
      sql<boolean>`(do_not_contact or exists (
        select from contacts other where other.merged_into = contacts.id and other.do_not_contact))`.as(
        'do_not_contact',
      ),
    )

export async function findContact(trx: Trx, id: string): Promise<Contact | undefined> {
  return records(trx).where('id', '=', id).$castTo<Contact>().executeTakeFirst()
}

/** Locks contacts until the transaction ends, in the order of their ids. Rows that refer to them can still be added. */
export async function lockContacts(trx: Trx, ids: string[]): Promise<Contact[]> {
  return trx
    .selectFrom('contacts')
    .selectAll()
    .$castTo<Contact>()
    .where('id', 'in', ids)
    .orderBy('id')
    .forNoKeyUpdate()
    .execute()
}

/** The contact and all that were merged into it. */
export async function listPersonIds(trx: Trx, id: string): Promise<string[]> {
  const rows = await trx
    .selectFrom('contacts')
    .select('id')
    .where(eb => eb.or([eb('id', '=', id), eb('merged_into', '=', id)]))
    .orderBy('id')
    .execute()
  return rows.map(row => row.id)
}

/**
 * Everybody that a contact is one person with, itself first: whom it was merged into, and whom else that one was merged
 * with.
 */
export async function listSamePerson(trx: Trx, id: string): Promise<string[]> {
  // With the limit each half is one look into an index; without it all contacts of the workspace are read.
  const { rows } = await sql<{ id: string }>`
    select other.id from (select coalesce(merged_into, id) as id from contacts where id = ${id} limit 1) person,
      lateral (select id from contacts where id = person.id
        union all select id from contacts where merged_into = person.id) other
    order by other.id <> ${id}, other.id`.execute(trx)
  return rows.map(row => row.id)
}

/** Whether somebody said as any of these that they are not to be written to. */
export async function wantsNoContact(trx: Trx, ids: string[]): Promise<boolean> {
  const query = trx.selectFrom('contacts').select('id').where('id', 'in', ids).where('do_not_contact', '=', true)
  return (await query.limit(1).executeTakeFirst()) !== undefined
}

/**
 * People, the newest last: those whose name, or a handle or mail address of theirs, begins with `q`. Merged and erased
 * ones are not among them; who was merged is found by what they were called before.
 */
export async function listContacts(trx: Trx, q: string | undefined, page: IdPage): Promise<Contact[]> {
  let query = records(trx).where('merged_into', 'is', null).where('erased_at', 'is', null)
  if (q !== undefined) {
    const first = sql`left(lower(${q}::text), 100)`
    // Comparisons, and no pattern: see the index.
    query = query.where(
      sql<boolean>`id in (
        select coalesce(merged_into, id) from contacts where name_key >= ${first} and name_key < ${first} || ${LAST}
        union all
        select coalesce(c.merged_into, c.id) from contact_identities i
          join contacts c on c.workspace_id = i.workspace_id and c.id = i.contact_id
        where i.handle_key >= ${first} and i.handle_key < ${first} || ${LAST})`,
    )
  }
  return query.where('id', '>', startOf(page)).orderBy('id').limit(page.limit).$castTo<Contact>().execute()
}

export async function insertContact(trx: Trx, row: Insertable<Contacts>): Promise<Contact> {
  return trx.insertInto('contacts').values(row).returningAll().$castTo<Contact>().executeTakeFirstOrThrow()
}

/** Writes a change and raises the version; the caller holds the row's lock. */
export async function updateContact(trx: Trx, id: string, change: Updateable<Contacts>): Promise<void> {
  await trx
    .updateTable('contacts')
    .set(eb => ({ ...change, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .execute()
}

/** Lets everybody whom a person was merged from be written to, or not. */
export async function setDoNotContact(trx: Trx, ids: string[], do_not_contact: boolean): Promise<void> {
  await trx
    .updateTable('contacts')
    .set({ do_not_contact })
    .where('id', 'in', ids)
    .where('do_not_contact', '<>', do_not_contact)
    .execute()
}

/** What the networks call a contact: the account that was described last. */
export async function findNetworkName(trx: Trx, id: string): Promise<string> {
  const row = await trx
    .selectFrom('contact_identities')
    .select(sql<string>`coalesce(display_name, handle)`.as('name'))
    .where('contact_id', '=', id)
    .where(eb => eb.or([eb('display_name', 'is not', null), eb('handle', 'is not', null)]))
    .orderBy('updated_at', 'desc')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row?.name ?? NAMELESS
}

/** The accounts of these contacts, in the order in which they became known. */
export async function listIdentities(trx: Trx, contact_ids: string[], page: IdPage): Promise<ContactIdentity[]> {
  return trx
    .selectFrom('contact_identities')
    .selectAll()
    .where('contact_id', 'in', contact_ids)
    .where('id', '>', startOf(page))
    .orderBy('id')
    .limit(page.limit)
    .execute()
}

/**
 * Conversations in which any of these contacts has spoken or was answered, across channels, the newest first.
 * @param inbox_ids those whose conversations the caller may see; null: all
 */
export async function listConversationsWith(
  trx: Trx,
  contact_ids: string[],
  inbox_ids: string[] | null,
  page: { limit: number; after?: { at: Date; id: string } | undefined },
): Promise<ConversationWithContact[]> {
  let query = withContact(trx).where(
    sql<boolean>`conversations.id in (
      select id from conversations where contact_id = any(${contact_ids}::uuid[])
      union all
      select conversation_id from messages where contact_id = any(${contact_ids}::uuid[]))`,
  )
  query = query.where('conversations.status', '<>', 'merged')
  if (inbox_ids) query = query.where('conversations.inbox_id', 'in', inbox_ids)
  if (page.after) {
    const { at, id } = page.after
    query = query.where(eb =>
      eb(eb.refTuple('conversations.last_message_at', 'conversations.id'), '<', eb.tuple(at, id)),
    )
  }
  const rows = await query
    .orderBy('conversations.last_message_at', 'desc')
    .orderBy('conversations.id', 'desc')
    .limit(page.limit)
    .execute()
  return rows.map(nestContact)
}
