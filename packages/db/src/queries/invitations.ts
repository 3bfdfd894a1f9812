import type { Insertable, Selectable, Updateable } from 'kysely'
import type { Database, Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { Invitations, PasswordResets } from '../tables.generated.ts'
import { hashToken } from './credentials.ts'

export type Invitation = Selectable<Invitations>
export type PasswordReset = Selectable<PasswordResets>
type Found = { workspace_id: string; id: string }

/** Which invitation a token is of, whether or not it still opens anything. One round trip, before a workspace is known. */
export async function findInvitation(db: Database, token: string): Promise<Found | undefined> {
  return (await db.pool.query<Found>('select * from find_invitation($1)', [hashToken(token)])).rows[0]
}

/** Which password reset a token is of, whether or not it still opens anything. */
export async function findPasswordReset(db: Database, token: string): Promise<Found | undefined> {
  return (await db.pool.query<Found>('select * from find_password_reset($1)', [hashToken(token)])).rows[0]
}

export async function insertInvitation(trx: Trx, row: Insertable<Invitations>): Promise<Invitation> {
  return trx.insertInto('invitations').values(row).returningAll().executeTakeFirstOrThrow()
}

export async function listInvitations(trx: Trx, page: IdPage): Promise<Invitation[]> {
  return trx
    .selectFrom('invitations')
    .selectAll()
    .where('id', '>', startOf(page))
    .orderBy('id')
    .limit(page.limit)
    .execute()
}

/** Locks one invitation until the transaction ends. */
export async function lockInvitation(trx: Trx, id: string): Promise<Invitation | undefined> {
  return trx.selectFrom('invitations').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

export async function updateInvitation(trx: Trx, id: string, change: Updateable<Invitations>): Promise<Invitation> {
  return trx.updateTable('invitations').set(change).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
}

export async function insertPasswordReset(trx: Trx, row: Insertable<PasswordResets>): Promise<void> {
  await trx.insertInto('password_resets').values(row).execute()
}

/** Locks one password reset until the transaction ends. */
export async function lockPasswordReset(trx: Trx, id: string): Promise<PasswordReset | undefined> {
  return trx.selectFrom('password_resets').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

/** Ends all resets of a person that are still open. */
export async function closePasswordResets(trx: Trx, user_id: string, used_at: Date): Promise<void> {
  await trx
    .updateTable('password_resets')
    .set({ used_at })
    .where('user_id', '=', user_id)
    .where('used_at', 'is', null)
    .execute()
}
