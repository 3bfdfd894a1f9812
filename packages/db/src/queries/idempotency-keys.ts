import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { IdempotencyKeys } from '../tables.generated.ts'

export type StoredAnswer = Selectable<IdempotencyKeys>
export type IdempotencyScope = { credential_id: string; route: string; key: string }

/** Keeps others with the same key out until the transaction ends; false when one of them is at work right now. */
export async function lockIdempotencyKey(trx: Trx, scope: IdempotencyScope): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${JSON.stringify(Object.values(scope))}, 0)) as locked`.execute(
    trx,
  )
  return rows[0]!.locked
}

export async function findStoredAnswer(trx: Trx, scope: IdempotencyScope): Promise<StoredAnswer | undefined> {
  return trx
    .selectFrom('idempotency_keys')
    .selectAll()
    .where('credential_id', '=', scope.credential_id)
    .where('route', '=', scope.route)
    .where('key', '=', scope.key)
    .executeTakeFirst()
}

export async function storeAnswer(trx: Trx, row: Insertable<IdempotencyKeys>): Promise<void> {
  await trx.insertInto('idempotency_keys').values(row).execute()
}

/** Forgets answers older than `before`; a key may then be used anew. Returns how many were dropped. */
export async function deleteStoredAnswers(trx: Trx, before: Date): Promise<number> {
  const { numDeletedRows } = await trx
    .deleteFrom('idempotency_keys')
    .where('created_at', '<', before)
    .executeTakeFirst()
  return Number(numDeletedRows)
}
