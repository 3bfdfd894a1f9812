import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { BulkRuns } from '../tables.generated.ts'

export type BulkRun = Selectable<BulkRuns>
export type BulkRunKey = { credential_id: string; key: string }

/** Keeps a new run; one of that key that there is already stays as it is. */
export async function insertBulkRun(trx: Trx, row: Insertable<BulkRuns>): Promise<void> {
  await trx
    .insertInto('bulk_runs')
    .values(row)
    .onConflict(conflict => conflict.columns(['workspace_id', 'credential_id', 'key']).doNothing())
    .execute()
}

/** Locks a run until the transaction ends: the same call that was sent twice does each part once. */
export async function lockBulkRun(trx: Trx, { credential_id, key }: BulkRunKey): Promise<BulkRun | undefined> {
  return trx
    .selectFrom('bulk_runs')
    .selectAll()
    .where('credential_id', '=', credential_id)
    .where('key', '=', key)
    .forUpdate()
    .executeTakeFirst()
}

export async function addBulkResults(trx: Trx, id: string, results: Record<string, unknown>): Promise<void> {
  await trx
    .updateTable('bulk_runs')
    .set({ results: sql`results || ${JSON.stringify(results)}::jsonb` })
    .where('id', '=', id)
    .execute()
}

/** Forgets runs older than `before`; their keys may then be used anew. */
export async function deleteBulkRuns(trx: Trx, before: Date): Promise<void> {
  await trx.deleteFrom('bulk_runs').where('created_at', '<', before).execute()
}
