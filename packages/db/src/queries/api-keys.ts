import { createHash, randomBytes } from 'node:crypto'
import type { Role } from '@parley/domain'
import type { Insertable, Selectable } from 'kysely'
import type { Database, Trx } from '../database.ts'
import { FIRST_PAGE, type IdPage, startOf } from '../id-page.ts'
import type { ApiKeys } from '../tables.generated.ts'

export type ApiKey = Selectable<ApiKeys>

/** Who calls: the workspace follows from the key, and so does the person where the key acts as one. */
export type Credential = { workspace_id: string; id: string; role: Role; user_id: string | null }

/** A new key in clear text, to be shown once. */
export function generateApiKey(): string {
  return `parley_${randomBytes(32).toString('base64url')}`
}

export function hashApiKey(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

/** Undefined for a key that is unknown, revoked or expired; which of them, nobody is told. One round trip. */
export async function findCredential(db: Database, key: string, now: Date): Promise<Credential | undefined> {
  const { rows } = await db.pool.query<Credential>('select * from authenticate_api_key($1, $2)', [hashApiKey(key), now])
  return rows[0]
}

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

/** Ends a key at once. Undefined when there is none; revoking twice keeps the first time. */
export async function revokeApiKey(trx: Trx, id: string, now: Date): Promise<ApiKey | undefined> {
  return trx
    .updateTable('api_keys')
    .set(eb => ({ revoked_at: eb.fn.coalesce('revoked_at', eb.val(now)) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
}
