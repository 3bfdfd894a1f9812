import { createHash, randomBytes } from 'node:crypto'
import type { Role } from '@parley/domain'
import { sql } from 'kysely'
import type { Database, Trx } from '../database.ts'

/** Who calls: the workspace follows from the key or the session, and so does the person where it acts as one. */
export type Credential = {
  kind: 'api_key' | 'session'
  workspace_id: string
  id: string
  /** Of a key that acts as a person the lower one of both their roles. */
  role: Role
  user_id: string | null
  /** The inboxes that it sees; null: all of the workspace. */
  inbox_ids: string[] | null
  last_used_at: Date | null
}

const SECRET_BYTES = 32

/** A new key in clear text, to be shown once. */
export const generateApiKey = () => `parley_${randomBytes(SECRET_BYTES).toString('base64url')}`
/** A new session's token in clear text. */
export const generateSessionToken = () => `parley_session_${randomBytes(SECRET_BYTES).toString('base64url')}`
/** What opens an invitation or a password reset, in clear text, to be shown once. */
export const generateLinkToken = () => randomBytes(SECRET_BYTES).toString('base64url')

/** What is kept of a token: a random that long needs no slow hash. */
export const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest()

const TOKEN = /^parley_(session_)?[A-Za-z0-9_-]{43}$/
const kindOf = (token: string) => (token.length > 'parley_'.length + 43 ? 'session' : 'api_key')

/**
 * Undefined for a key or session token that is unknown, revoked, expired or of somebody disabled; which of them, nobody
 * is told. One round trip, with what it may see.
 */
export async function findCredential(db: Database, token: string, now: Date): Promise<Credential | undefined> {
  if (!TOKEN.test(token)) return undefined
  const kind = kindOf(token)
  const { rows } = await db.pool.query<Omit<Credential, 'kind'>>(`select * from authenticate_${kind}($1, $2)`, [
    hashToken(token),
    now,
  ])
  return rows[0] && { kind, ...rows[0] }
}

/** Like findCredential, for many at once: one round trip for the keys and one for the sessions. Others have no entry. */
export async function findCredentials(db: Database, tokens: string[], now: Date): Promise<Map<string, Credential>> {
  const found = new Map<string, Credential>()
  for (const kind of ['api_key', 'session'] as const) {
    const own = tokens.filter(token => TOKEN.test(token) && kindOf(token) === kind)
    if (own.length === 0) continue
    const { rows } = await db.pool.query<Omit<Credential, 'kind'> & { place: number }>(
      `select h.place, c.* from unnest($1::bytea[]) with ordinality as h (hash, place), authenticate_${kind}(h.hash, $2) c`,
      [own.map(hashToken), now],
    )
    for (const { place, ...credential } of rows) found.set(own[place - 1]!, { kind, ...credential })
  }
  return found
}

export type CredentialUse = Pick<Credential, 'kind' | 'id'> & { at: Date }

/** Remembers when keys and sessions of one workspace were last used. */
export async function recordUses(trx: Trx, uses: CredentialUse[]): Promise<void> {
  for (const [kind, table, column] of [
    ['api_key', 'api_keys', 'last_used_at'],
    ['session', 'sessions', 'last_seen_at'],
  ] as const) {
    const of = uses.filter(use => use.kind === kind)
    if (of.length === 0) continue
    const [ids, times] = [of.map(use => use.id), of.map(use => use.at)]
    await sql`
      update ${sql.table(table)} c set ${sql.ref(column)} = greatest(c.${sql.ref(column)}, used.at)
      from unnest(${ids}::uuid[], ${times}::timestamptz[]) as used (id, at) where c.id = used.id`.execute(trx)
  }
}
