import type { EventType } from '@parley/contracts'
import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { EventRow } from './events.ts'

export type AuditFilter = {
  actor_id?: string | undefined
  types?: EventType[] | undefined
  /** Half-open: `from` belongs to it, `to` does not. */
  from?: Date | undefined
  to?: Date | undefined
}
export type AuditPosition = { at: Date; seq: number }

/** What people and keys did, and sign-ins that failed, newest first: `limit` rows past `after`. */
export async function listAudit(
  trx: Trx,
  { actor_id, types, from, to }: AuditFilter,
  page: { limit: number; after?: AuditPosition | undefined },
): Promise<EventRow[]> {
  // The first condition is that of the index, to the letter.
  let query = trx
    .selectFrom('events')
    .selectAll()
    .where(sql<boolean>`(actor_type in ('user', 'api_key') or type = 'login.failed')`)
  // Whose sign-in failed did nothing, and yet is asked for by their id.
  if (actor_id) {
    query = query.where(
      sql<boolean>`(actor_id = ${actor_id}::uuid or (type = 'login.failed' and data ->> 'user_id' = ${actor_id}))`,
    )
  }
  if (types) query = query.where('type', 'in', types)
  if (from) query = query.where('at', '>=', from)
  if (to) query = query.where('at', '<', to)
  if (page.after) {
    const { at, seq } = page.after
    query = query.where(eb => eb(eb.refTuple('at', 'seq'), '<', eb.tuple(at, seq)))
  }
  return query.orderBy('at', 'desc').orderBy('seq', 'desc').limit(page.limit).execute()
}
