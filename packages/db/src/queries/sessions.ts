import type { Insertable, Selectable } from 'kysely'
import type { Trx } from '../database.ts'
import type { Sessions } from '../tables.generated.ts'

export type Session = Selectable<Sessions>

/** More than anybody has open; the newest are shown. */
const MAX_SHOWN = 100

export async function insertSession(trx: Trx, row: Insertable<Sessions>): Promise<Session> {
  return trx.insertInto('sessions').values(row).returningAll().executeTakeFirstOrThrow()
}

/** Sessions of a person that still open something, newest first. */
export async function listOpenSessions(trx: Trx, user_id: string, epoch: number, now: Date): Promise<Session[]> {
  const rows = await trx
    .selectFrom('sessions')
    .selectAll()
    .where('user_id', '=', user_id)
    .where('epoch', '=', epoch)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', now)
    .orderBy('id', 'desc')
    .limit(MAX_SHOWN)
    .execute()
  return rows.filter(({ last_seen_at, idle_seconds }) => last_seen_at.getTime() + idle_seconds * 1000 > now.getTime())
}

/** Ends one session of a person at once. Undefined when they have none with that id; ending it again keeps the first time. */
export async function revokeSession(trx: Trx, user_id: string, id: string, now: Date): Promise<Session | undefined> {
  return trx
    .updateTable('sessions')
    .set(eb => ({ revoked_at: eb.fn.coalesce('revoked_at', eb.val(now)) }))
    .where('id', '=', id)
    .where('user_id', '=', user_id)
    .returningAll()
    .executeTakeFirst()
}

/** Takes one session along into a new epoch, which ends all others. */
export async function keepSession(trx: Trx, id: string, epoch: number): Promise<void> {
  await trx.updateTable('sessions').set({ epoch }).where('id', '=', id).execute()
}

/** Forgets sessions that ended before that time. Returns how many. */
export async function deleteEndedSessions(trx: Trx, before: Date): Promise<number> {
  const { numDeletedRows } = await trx.deleteFrom('sessions').where('expires_at', '<', before).executeTakeFirst()
  return Number(numDeletedRows)
}
