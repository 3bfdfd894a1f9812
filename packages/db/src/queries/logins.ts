import { sql } from 'kysely'
import type { Database, Trx } from '../database.ts'

/** Names no workspace. What belongs to none, such as failures to sign in, is kept under it. */
export const NO_WORKSPACE = '00000000-0000-0000-0000-000000000000'

export type Login = { workspace_id: string; user_id: string; workspace_name: string }

/** Whose address it is, in whichever workspaces. One round trip, before a workspace is known. */
export async function findLogins(db: Database, email: string): Promise<Login[]> {
  return (await db.pool.query<Login>('select * from find_logins($1)', [email])).rows
}

export type LoginAttempts = { key: Buffer; failures: number; blocked_until: Date | null; last_at: Date }

/**
 * Locks what is known of these keys until the transaction ends, in one order for all. A key that nothing is known of gets a
 * row first, so that of many who come at once each one waits for the one before.
 */
export async function lockLoginAttempts(trx: Trx, keys: Buffer[], now: Date): Promise<LoginAttempts[]> {
  const rows = keys.toSorted((a, b) => a.compare(b)).map(key => ({ key, failures: 0, last_at: now }))
  await trx
    .insertInto('login_attempts')
    .values(rows)
    .onConflict(conflict => conflict.doNothing())
    .execute()
  return trx.selectFrom('login_attempts').selectAll().where('key', 'in', keys).orderBy('key').forUpdate().execute()
}

/** Writes how often it failed by now; the caller holds the row's lock. */
export async function updateLoginAttempts(trx: Trx, { key, ...change }: LoginAttempts): Promise<void> {
  await trx.updateTable('login_attempts').set(change).where('key', '=', key).execute()
}

/** Writes what stands there: for the sake of the time that it takes. */
export async function touchLoginAttempts(trx: Trx, key: Buffer): Promise<void> {
  await trx
    .updateTable('login_attempts')
    .set(eb => ({ last_at: eb.ref('last_at') }))
    .where('key', '=', key)
    .execute()
}

/** Takes one failure back of those that are counted and cost nothing yet. */
export async function forgiveLoginAttempt(trx: Trx, key: Buffer, free: number): Promise<void> {
  await trx
    .updateTable('login_attempts')
    .set(eb => ({ failures: eb('failures', '-', 1) }))
    .where('key', '=', key)
    .where('failures', '>', 0)
    .where('failures', '<', free)
    .execute()
}

export async function deleteLoginAttempts(trx: Trx, key: Buffer): Promise<void> {
  await trx.deleteFrom('login_attempts').where('key', '=', key).execute()
}

/** Forgets up to `limit` rows that nobody added to since `before`. */
export async function forgetLoginAttempts(trx: Trx, before: Date, limit: number): Promise<void> {
  await sql`
    delete from login_attempts where key in (
      select key from login_attempts where last_at < ${before} order by last_at limit ${limit} for update skip locked)`.execute(
    trx,
  )
}
