import type { Insertable, Selectable, Updateable } from 'kysely'
import type { Trx } from '../database.ts'
import { FIRST_PAGE, type IdPage, startOf } from '../id-page.ts'
import type { Users } from '../tables.generated.ts'

export type User = Selectable<Users>

export async function insertUser(trx: Trx, row: Insertable<Users>): Promise<User> {
  return trx.insertInto('users').values(row).returningAll().executeTakeFirstOrThrow()
}

export async function findUser(trx: Trx, id: string): Promise<User | undefined> {
  return trx.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst()
}

export async function findUserByEmail(trx: Trx, email: string): Promise<User | undefined> {
  return trx
    .selectFrom('users')
    .selectAll()
    .where(eb => eb(eb.fn('lower', ['email']), '=', email.toLowerCase()))
    .executeTakeFirst()
}

/** The administrator who was there first. */
export async function findFirstAdmin(trx: Trx): Promise<User | undefined> {
  return trx.selectFrom('users').selectAll().where('role', '=', 'admin').orderBy('id').limit(1).executeTakeFirst()
}

export async function listUsers(trx: Trx, page: IdPage = FIRST_PAGE): Promise<User[]> {
  return trx.selectFrom('users').selectAll().where('id', '>', startOf(page)).orderBy('id').limit(page.limit).execute()
}

/** Locks one user until the transaction ends; what refers to them does not wait for that. */
export async function lockUser(trx: Trx, id: string): Promise<User | undefined> {
  return trx.selectFrom('users').selectAll().where('id', '=', id).forNoKeyUpdate().executeTakeFirst()
}

export async function updateUser(trx: Trx, id: string, change: Updateable<Users>): Promise<User> {
  return trx.updateTable('users').set(change).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
}

/**
 * Locks the active administrators in id order and returns their ids: who takes one away counts those who are left, and
 * whoever does so at the same time waits and then counts anew.
 */
export async function lockAdmins(trx: Trx): Promise<string[]> {
  const rows = await trx
    .selectFrom('users')
    .select('id')
    .where('role', '=', 'admin')
    .where('status', '=', 'active')
    .orderBy('id')
    .forNoKeyUpdate()
    .execute()
  return rows.map(row => row.id)
}
