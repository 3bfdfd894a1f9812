import type { Insertable, Selectable, Updateable } from 'kysely'
import type { Trx } from '../database.ts'
import type { Backfills } from '../tables.generated.ts'

export type Backfill = Selectable<Backfills>

/** Undefined when one of the channel's runs already. */
export async function insertBackfill(trx: Trx, row: Insertable<Backfills>): Promise<Backfill | undefined> {
  return trx
    .insertInto('backfills')
    .values(row)
    .onConflict(conflict => conflict.doNothing())
    .returningAll()
    .executeTakeFirst()
}

/** The channel's backfill that was started last, whatever became of it. */
export async function findLatestBackfill(trx: Trx, channel_id: string): Promise<Backfill | undefined> {
  return trx
    .selectFrom('backfills')
    .selectAll()
    .where('channel_id', '=', channel_id)
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
}

const running = (trx: Trx, channel_id: string) =>
  trx.selectFrom('backfills').selectAll().where('channel_id', '=', channel_id).where('state', '=', 'running')

export async function findRunningBackfill(trx: Trx, channel_id: string): Promise<Backfill | undefined> {
  return running(trx, channel_id).executeTakeFirst()
}

/** Locks the channel's running backfill until the transaction ends. */
export async function lockRunningBackfill(trx: Trx, channel_id: string): Promise<Backfill | undefined> {
  return running(trx, channel_id).forUpdate().executeTakeFirst()
}

export async function updateBackfill(trx: Trx, id: string, change: Updateable<Backfills>): Promise<Backfill> {
  return trx.updateTable('backfills').set(change).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
}
