import { type Selectable, sql } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { InboundEvents } from '../tables.generated.ts'

export type InboundEvent = Selectable<InboundEvents>
export type LedgerEntry = { id: string; channel_id: string; dedup_key: string; payload: unknown; received_at: Date }

/**
 * Adds events to the ledger; those it has already are left alone. Returns the dedup keys that are new.
 * Payloads travel as text: they may hold escapes that Postgres refuses to decode.
 */
export async function insertInboundEvents(trx: Trx, entries: LedgerEntry[]): Promise<string[]> {
  const column = <K extends keyof LedgerEntry>(key: K) => entries.map(entry => entry[key])
  const { rows } = await sql<{ dedup_key: string }>`
    insert into inbound_events (id, channel_id, dedup_key, payload, received_at)
    select id, channel_id, dedup_key, payload::json, received_at
    from unnest(${column('id')}::uuid[], ${column('channel_id')}::uuid[], ${column('dedup_key')}::text[],
      ${entries.map(entry => JSON.stringify(entry.payload))}::text[], ${column('received_at')}::timestamptz[])
      as entry (id, channel_id, dedup_key, payload, received_at)
    on conflict (workspace_id, channel_id, dedup_key) do nothing
    returning dedup_key`.execute(trx)
  return rows.map(row => row.dedup_key)
}

/** One drain at a time per channel, so that its events are applied in order; false while another one is at work. */
export async function lockChannelDrain(trx: Trx, channel_id: string): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${`drain:${channel_id}`}, 0)) as locked`.execute(trx)
  return rows[0]!.locked
}

export type PendingEvent = Pick<InboundEvent, 'id' | 'payload' | 'received_at' | 'attempts'>

/** The channel's oldest undone events, up to `limit`, locked until the transaction ends. */
export async function claimPendingEvents(trx: Trx, channel_id: string, limit: number): Promise<PendingEvent[]> {
  return trx
    .selectFrom('inbound_events')
    .select(['id', 'payload', 'received_at', 'attempts'])
    .where('channel_id', '=', channel_id)
    .where('state', '=', 'pending')
    .orderBy('received_at')
    .orderBy('id')
    .limit(limit)
    .forUpdate()
    .skipLocked()
    .execute()
}

/** Locks one event, waiting for who works on it; undefined when it is done or parked by then. */
export async function lockPendingEvent(trx: Trx, id: string): Promise<PendingEvent | undefined> {
  return trx
    .selectFrom('inbound_events')
    .select(['id', 'payload', 'received_at', 'attempts'])
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .forUpdate()
    .executeTakeFirst()
}

/** True while the channel has an event that is not done. */
export async function hasPendingEvents(trx: Trx, channel_id: string): Promise<boolean> {
  const row = await trx
    .selectFrom('inbound_events')
    .select('id')
    .where('channel_id', '=', channel_id)
    .where('state', '=', 'pending')
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

export async function closeInboundEvents(
  trx: Trx,
  ids: string[],
  state: 'done' | 'ignored',
  processed_at: Date,
): Promise<void> {
  if (ids.length === 0) return
  await sql`update inbound_events set state = ${state}, processed_at = ${processed_at}, error = null
    where id = any(${ids}::uuid[])`.execute(trx)
}

/** Counts a failure of one event and parks it when `park` is set: it then waits for a person. */
export async function recordInboundFailure(trx: Trx, id: string, error: string, park: boolean): Promise<void> {
  await trx
    .updateTable('inbound_events')
    .set(eb => ({ attempts: eb('attempts', '+', 1), error, state: park ? 'parked' : 'pending' }))
    .where('id', '=', id)
    .execute()
}

export async function listParkedEvents(
  trx: Trx,
  channel_id: string,
  page: { limit: number; after?: string | undefined },
): Promise<InboundEvent[]> {
  let query = trx
    .selectFrom('inbound_events')
    .selectAll()
    .where('channel_id', '=', channel_id)
    .where('state', '=', 'parked')
  if (page.after) query = query.where('id', '>', page.after)
  return query.orderBy('id').limit(page.limit).execute()
}

/** Channels of all workspaces that have undone events received before `before`. */
export async function listChannelsWithPending(
  trx: SystemTrx,
  before: Date,
  limit: number,
): Promise<{ workspace_id: string; channel_id: string }[]> {
  // A loose index scan: one probe per channel however many events each of them holds.
  const { rows } = await sql<{ workspace_id: string; channel_id: string }>`
    with recursive pending as (
      (select workspace_id, channel_id from inbound_events
        where state = 'pending' order by workspace_id, channel_id limit 1)
      union all
      select next.workspace_id, next.channel_id from pending, lateral (
        select e.workspace_id, e.channel_id from inbound_events e
        where e.state = 'pending' and (e.workspace_id, e.channel_id) > (pending.workspace_id, pending.channel_id)
        order by e.workspace_id, e.channel_id limit 1) next
    )
    select workspace_id, channel_id from pending
    where exists (select from inbound_events e where e.workspace_id = pending.workspace_id
      and e.channel_id = pending.channel_id and e.state = 'pending' and e.received_at < ${before})
    limit ${limit}`.execute(trx)
  return rows
}
