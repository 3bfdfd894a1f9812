import type { Insertable, Selectable } from 'kysely'
import type { Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { ContactNotes } from '../tables.generated.ts'

export type ContactNote = Selectable<ContactNotes>

/** Notes about any of these contacts, oldest first. */
export async function listContactNotes(trx: Trx, contact_ids: string[], page: IdPage): Promise<ContactNote[]> {
  return trx
    .selectFrom('contact_notes')
    .selectAll()
    .where('contact_id', 'in', contact_ids)
    .where('id', '>', startOf(page))
    .orderBy('id')
    .limit(page.limit)
    .execute()
}

export async function insertContactNote(trx: Trx, row: Insertable<ContactNotes>): Promise<ContactNote> {
  return trx.insertInto('contact_notes').values(row).returningAll().executeTakeFirstOrThrow()
}

/** Locks a note about one of these contacts until the transaction ends. */
export async function lockContactNote(
  trx: Trx,
  contact_ids: string[],
  note_id: string,
): Promise<ContactNote | undefined> {
  return trx
    .selectFrom('contact_notes')
    .selectAll()
    .where('id', '=', note_id)
    .where('contact_id', 'in', contact_ids)
    .forUpdate()
    .executeTakeFirst()
}

/** Writes another text and raises the version; the caller holds the row's lock. */
export async function updateContactNote(trx: Trx, id: string, body: string, now: Date): Promise<ContactNote> {
  return trx
    .updateTable('contact_notes')
    .set(eb => ({ body, updated_at: now, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
}

export async function deleteContactNote(trx: Trx, id: string): Promise<void> {
  await trx.deleteFrom('contact_notes').where('id', '=', id).execute()
}
