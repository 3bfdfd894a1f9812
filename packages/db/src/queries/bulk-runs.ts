import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { BulkRuns } from '../tables.generated.ts'
import type { Credential } from './credentials.ts'

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

export async function addBulkResults(
  trx: Trx,
  id: string,
  results: Record<string, unknown>,
  updated_at: Date,
): Promise<void> {
  await trx
    .updateTable('bulk_runs')
    .set({ results: sql`results || ${JSON.stringify(results)}::jsonb`, updated_at })
    .where('id', '=', id)
    .execute()
}

/** A run, and how many of its conversations have which result, by the word for it. */
export type BulkProgress = BulkRun & { tally: Record<string, number> }
export type BulkReader = Pick<Credential, 'id' | 'user_id' | 'role'>

/** Whether the run was begun by who asks, with whichever of their keys and sessions. */
export const isOwnRun = (run: BulkRun, { id, user_id }: BulkReader): boolean =>
  run.credential_id === id || (user_id !== null && run.user_id === user_id)

/** One's own runs; those of everybody for leads. */
const visible = (trx: Trx, { id, user_id, role }: BulkReader) => {
  const all = trx
    .selectFrom('bulk_runs')
    .selectAll()
    .select(
      sql<Record<string, number>>`(select coalesce(json_object_agg(result, count), '{}') from (
        select value->>'result' as result, count(*)::int as count from jsonb_each(results) group by 1) counted)`.as(
        'tally',
      ),
    )
  if (role !== 'agent') return all
  return all.where(eb => eb.or([eb('credential_id', '=', id), ...(user_id ? [eb('user_id', '=', user_id)] : [])]))
}

export async function findBulkRun(trx: Trx, reader: BulkReader, id: string): Promise<BulkProgress | undefined> {
  return visible(trx, reader).where('id', '=', id).executeTakeFirst()
}

/** Runs in the order in which they began; with a key, those that were begun with it. */
export async function listBulkRuns(
  trx: Trx,
  reader: BulkReader,
  key: string | undefined,
  page: IdPage,
): Promise<BulkProgress[]> {
  const runs = visible(trx, reader).where('id', '>', startOf(page)).orderBy('id').limit(page.limit)
  return (key === undefined ? runs : runs.where('key', '=', key)).execute()
}

/** Forgets runs older than `before`; their keys may then be used anew. */
export async function deleteBulkRuns(trx: Trx, before: Date): Promise<void> {
  await trx.deleteFrom('bulk_runs').where('created_at', '<', before).execute()
}
