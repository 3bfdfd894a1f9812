import type { Insertable, Selectable } from 'kysely'
import type { Trx } from '../database.ts'
import { FIRST_PAGE, type IdPage, startOf } from '../id-page.ts'
import type { ApiKeys } from '../tables.generated.ts'

export type ApiKey = Selectable<ApiKeys>

export async function insertApiKey(trx: Trx, row: Insertable<ApiKeys>): Promise<ApiKey> {
  return trx.insertInto('api_keys').values(row).returningAll().executeTakeFirstOrThrow()
}

export async function listApiKeys(trx: Trx, page: IdPage = FIRST_PAGE): Promise<ApiKey[]> {
  return trx
    .selectFrom('api_keys')
    .selectAll()
    .where('id', '>', startOf(page))
    .orderBy('id')
    .limit(page.limit)
    .execute()
}

/** Locks one key until the transaction ends. */
export async function lockApiKey(trx: Trx, id: string): Promise<ApiKey | undefined> {
  return trx.selectFrom('api_keys').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

/** Lets a key end at that time; the caller holds the row's lock. */
export async function expireApiKey(trx: Trx, id: string, expires_at: Date): Promise<void> {
  await trx.updateTable('api_keys').set({ expires_at }).where('id', '=', id).execute()
}

/** Ends a key at once. Undefined when there is none; revoking twice keeps the first time. */
export async function revokeApiKey(trx: Trx, id: string, now: Date): Promise<ApiKey | undefined> {
  return trx
    .updateTable('api_keys')
    .set(eb => ({ revoked_at: eb.fn.coalesce('revoked_at', eb.val(now)) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
}

/** Ends every key that acts as this person. Returns those that were still good. */
export async function revokeApiKeysOf(trx: Trx, user_id: string, now: Date): Promise<ApiKey[]> {
  return trx
    .updateTable('api_keys')
    .set({ revoked_at: now })
    .where('user_id', '=', user_id)
    .where('revoked_at', 'is', null)
    .returningAll()
    .execute()
}
