import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { ContactLinks } from '../tables.generated.ts'

export type ContactLink = Selectable<ContactLinks>

export async function insertContactLink(trx: Trx, row: Insertable<ContactLinks>): Promise<ContactLink> {
  return trx.insertInto('contact_links').values(row).returningAll().executeTakeFirstOrThrow()
}

export async function findContactLink(trx: Trx, id: string): Promise<ContactLink | undefined> {
  return trx.selectFrom('contact_links').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Marks a merge as undone; the caller holds the locks of its contacts. */
export async function closeContactLink(
  trx: Trx,
  id: string,
  by: { type: ContactLink['merged_by_type']; id: string },
  now: Date,
): Promise<void> {
  await trx
    .updateTable('contact_links')
    .set({ unmerged_at: now, unmerged_by_type: by.type, unmerged_by_id: by.id })
    .where('id', '=', id)
    .execute()
}

/** The merges that any of these contacts had a part in, oldest first; those that were undone too. */
export async function listContactLinks(trx: Trx, contact_ids: string[], page: IdPage): Promise<ContactLink[]> {
  return trx
    .selectFrom('contact_links')
    .selectAll()
    .where(eb => eb.or([eb('into_id', 'in', contact_ids), eb('from_id', 'in', contact_ids)]))
    .where('id', '>', startOf(page))
    .orderBy('id')
    .limit(page.limit)
    .execute()
}

/** Lets these contacts be somebody else from now on. */
export async function setMergedInto(trx: Trx, ids: string[], merged_into: string | null): Promise<void> {
  if (ids.length === 0) return
  await trx.updateTable('contacts').set({ merged_into }).where('id', 'in', ids).execute()
}

/** Who was merged into this contact, or into one of those, by merges that are not undone. */
export async function listMergedBelow(trx: Trx, id: string): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    with recursive below as (
      select from_id as id from contact_links where into_id = ${id} and unmerged_at is null
      union
      select l.from_id from below b join contact_links l on l.into_id = b.id and l.unmerged_at is null)
    select id from below order by id`.execute(trx)
  return rows.map(row => row.id)
}

export type MergePreview = { identities: number; conversations: number; notes: number; both_wait: number }

/** What these contacts have, and in how many conversations both they and `others` wait. */
export async function previewMerge(trx: Trx, ids: string[], others: string[]): Promise<MergePreview> {
  const { rows } = await sql<MergePreview>`
    select
      (select count(*) from contact_identities where contact_id = any(${ids}::uuid[])) as identities,
      (select count(*) from contact_notes where contact_id = any(${ids}::uuid[])) as notes,
      (select count(*) from (
        select id from conversations where contact_id = any(${ids}::uuid[]) and status <> 'merged'
        union select conversation_id from messages where contact_id = any(${ids}::uuid[])) found) as conversations,
      (select count(*) from (
        select conversation_id from messages where contact_id = any(${ids}::uuid[])
        intersect select conversation_id from messages where contact_id = any(${others}::uuid[])) shared
        where exists (select from waits w where w.conversation_id = shared.conversation_id
            and w.closed_at is null and w.contact_id = any(${ids}::uuid[]))
          and exists (select from waits w where w.conversation_id = shared.conversation_id
            and w.closed_at is null and w.contact_id = any(${others}::uuid[]))) as both_wait`.execute(trx)
  return rows[0]!
}
