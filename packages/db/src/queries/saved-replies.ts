import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { SavedReplies } from '../tables.generated.ts'

export type SavedReply = Selectable<SavedReplies>

export async function insertSavedReply(trx: Trx, row: Insertable<SavedReplies>): Promise<SavedReply> {
  return trx.insertInto('saved_replies').values(row).returningAll().executeTakeFirstOrThrow()
}

export async function findSavedReply(trx: Trx, id: string): Promise<SavedReply | undefined> {
  return trx.selectFrom('saved_replies').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Locks one saved reply until the transaction ends. */
export async function lockSavedReply(trx: Trx, id: string): Promise<SavedReply | undefined> {
  return trx.selectFrom('saved_replies').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

/** Writes a change and raises the version; the caller holds the row's lock. */
export async function updateSavedReply(trx: Trx, id: string, change: Updateable<SavedReplies>): Promise<SavedReply> {
  return trx
    .updateTable('saved_replies')
    .set(eb => ({ ...change, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
}

export type SavedReplyFilter = {
  /** Search keys of words that all have to be there. */
  words: string[]
  /** What is offered in this inbox. */
  inbox_id?: string | undefined
  /** The inboxes that the caller sees; null: all. */
  inbox_ids: string[] | null
  archived: boolean
}

export async function listSavedReplies(trx: Trx, filter: SavedReplyFilter, page: IdPage): Promise<SavedReply[]> {
  const { words, inbox_id, inbox_ids, archived } = filter
  let query = trx
    .selectFrom('saved_replies')
    .selectAll()
    .where('archived_at', archived ? 'is not' : 'is', null)
    .where('id', '>', startOf(page))
  if (inbox_id) query = query.where(eb => eb.or([eb('inbox_id', 'is', null), eb('inbox_id', '=', inbox_id)]))
  if (inbox_ids) query = query.where(sql<boolean>`(inbox_id is null or inbox_id = any(${inbox_ids}::uuid[]))`)
  for (const word of words) query = query.where(sql<boolean>`strpos(search_key, ${word}) > 0`)
  return query.orderBy('id').limit(page.limit).execute()
}
