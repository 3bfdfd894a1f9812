import { type Insertable, type RawBuilder, type Selectable, sql, type Updateable } from 'kysely'
import type { Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { Views } from '../tables.generated.ts'

export type View = Selectable<Views>

/** Whose views somebody sees: their own, their teams', and the workspace's. */
export type ViewReader = { user_id: string | null; team_ids: string[] }

/** The condition on what has a scope: that this reader sees it. */
export const sharedWith = ({ user_id, team_ids }: ViewReader): RawBuilder<boolean> => sql<boolean>`(
  scope = 'workspace' or (scope = 'personal' and user_id = ${user_id}::uuid)
  or (scope = 'team' and team_id = any(${team_ids}::uuid[])))`

const visible = (trx: Trx, reader: ViewReader) => trx.selectFrom('views').selectAll().where(sharedWith(reader))

export async function listViews(trx: Trx, reader: ViewReader, page: IdPage): Promise<View[]> {
  return visible(trx, reader).where('id', '>', startOf(page)).orderBy('id').limit(page.limit).execute()
}

export async function findView(trx: Trx, reader: ViewReader, id: string): Promise<View | undefined> {
  return visible(trx, reader).where('id', '=', id).executeTakeFirst()
}

export async function lockView(trx: Trx, reader: ViewReader, id: string): Promise<View | undefined> {
  return visible(trx, reader).where('id', '=', id).forUpdate().executeTakeFirst()
}

export async function insertView(trx: Trx, row: Insertable<Views>): Promise<View> {
  return trx.insertInto('views').values(row).returningAll().executeTakeFirstOrThrow()
}

/** Writes a change and raises the version; the caller holds the row's lock. */
export async function updateView(trx: Trx, id: string, change: Updateable<Views>): Promise<View> {
  return trx
    .updateTable('views')
    .set(eb => ({ ...change, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
}

export async function deleteView(trx: Trx, id: string): Promise<void> {
  await trx.deleteFrom('views').where('id', '=', id).execute()
}
