import type { Insertable, Selectable, Updateable } from 'kysely'
import type { Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { Macros } from '../tables.generated.ts'
import { sharedWith, type ViewReader } from './views.ts'

export type Macro = Selectable<Macros>

const visible = (trx: Trx, reader: ViewReader) => trx.selectFrom('macros').selectAll().where(sharedWith(reader))

export async function listMacros(trx: Trx, reader: ViewReader, page: IdPage): Promise<Macro[]> {
  return visible(trx, reader).where('id', '>', startOf(page)).orderBy('id').limit(page.limit).execute()
}

export async function findMacro(trx: Trx, reader: ViewReader, id: string): Promise<Macro | undefined> {
  return visible(trx, reader).where('id', '=', id).executeTakeFirst()
}

export async function lockMacro(trx: Trx, reader: ViewReader, id: string): Promise<Macro | undefined> {
  return visible(trx, reader).where('id', '=', id).forUpdate().executeTakeFirst()
}

export async function insertMacro(trx: Trx, row: Insertable<Macros>): Promise<Macro> {
  return trx.insertInto('macros').values(row).returningAll().executeTakeFirstOrThrow()
}

/** Writes a change and raises the version; the caller holds the row's lock. */
export async function updateMacro(trx: Trx, id: string, change: Updateable<Macros>): Promise<Macro> {
  return trx
    .updateTable('macros')
    .set(eb => ({ ...change, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
}

export async function deleteMacro(trx: Trx, id: string): Promise<void> {
  await trx.deleteFrom('macros').where('id', '=', id).execute()
}
