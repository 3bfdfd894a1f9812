import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { InboundEvent } from './inbound-events.ts'
import { type BoundedCount, countAtMost } from './ledger-state.ts'

/** An event of the ledger without its payload. */
export type LedgerEvent = Pick<
  InboundEvent,
  'id' | 'channel_id' | 'dedup_key' | 'source' | 'state' | 'received_at' | 'attempts' | 'error'
>
const LEDGER_EVENT = ['id', 'channel_id', 'dedup_key', 'source', 'state', 'received_at', 'attempts', 'error'] as const

/** Gives parked events back to ingest, with all their attempts. Returns those that were parked until now. */
export async function reopenParkedEvents(trx: Trx, channel_id: string, ids: string[]): Promise<LedgerEvent[]> {
  return parkedEvents(trx, channel_id, ids).set({ state: 'pending', attempts: 0 }).returning(LEDGER_EVENT).execute()
}

/** Closes parked events without a message. They keep their error and payload for as long as the ledger keeps them. */
export async function discardParkedEvents(
  trx: Trx,
  channel_id: string,
  ids: string[],
  processed_at: Date,
): Promise<LedgerEvent[]> {
  return parkedEvents(trx, channel_id, ids).set({ state: 'discarded', processed_at }).returning(LEDGER_EVENT).execute()
}

const parkedEvents = (trx: Trx, channel_id: string, ids: string[]) =>
  trx
    .updateTable('inbound_events')
    .where('channel_id', '=', channel_id)
    .where('state', '=', 'parked')
    .where(eb => eb('id', '=', eb.fn.any(eb.val(ids))))

/** Which part of a channel's parked events is meant: received before `before`, and after the event `after`. */
export type ParkedRange = { before?: Date | undefined; after?: string | undefined }

/** The oldest parked events of a range. */
export async function listParkedIds(
  trx: Trx,
  channel_id: string,
  range: ParkedRange,
  limit: number,
): Promise<string[]> {
  const rows = await inRange(trx, channel_id, range).select('id').orderBy('id').limit(limit).execute()
  return rows.map(row => row.id)
}

export async function countParkedEvents(trx: Trx, channel_id: string, range: ParkedRange): Promise<BoundedCount> {
  return countAtMost(trx, inRange(trx, channel_id, range).select('id'))
}

function inRange(trx: Trx, channel_id: string, { before, after }: ParkedRange) {
  let query = trx.selectFrom('inbound_events').where('channel_id', '=', channel_id).where('state', '=', 'parked')
  if (before) query = query.where('id', '<', sql<string>`first_id_at(${before})`)
  if (after) query = query.where('id', '>', after)
  return query
}

/** In which states these events of a channel are now; those that are not there are left out. */
export async function findEventStates(
  trx: Trx,
  channel_id: string,
  ids: string[],
): Promise<Map<string, LedgerEvent['state']>> {
  // Ids have no index of their own: each branch is one by state.
  const among = (states: string) => sql`
    select id, state from inbound_events
    where channel_id = ${channel_id} and state ${sql.raw(states)} and id = any(${ids}::uuid[])`
  const { rows } = await sql<Pick<LedgerEvent, 'id' | 'state'>>`
    ${among("in ('done', 'ignored', 'discarded')")} union all ${among("= 'parked'")} union all ${among("= 'pending'")}`.execute(
    trx,
  )
  return new Map(rows.map(({ id, state }) => [id, state]))
}
