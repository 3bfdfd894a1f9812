import { type RawBuilder, type Selectable, sql } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { InboundEvents } from '../tables.generated.ts'

export type InboundEvent = Selectable<InboundEvents>

/** How an event reached us. What a backfill brings is history: it starts nothing. */
export type InboundSource = 'webhook' | 'poll' | 'backfill'

export type LedgerEntry = Pick<InboundEvent, 'id' | 'channel_id' | 'dedup_key' | 'lane' | 'received_at'> & {
  source: InboundSource
  payload: unknown
}

/** Which of the events are new, and which of their channels were as the caller knew them: others' are not stored. */
export type StoredEvents = { stored: string[]; channels: string[] }

/**
 * Adds events to the ledger, in one statement; those it has already are left alone and counted. Payloads travel as
 * text: they may hold escapes that Postgres refuses to decode.
 * @param versions of the channels, as findChannelVersion gave them: a channel that has changed since takes nothing. Null
 *   takes any version
 */
export function insertInboundEvents(
  entries: LedgerEntry[],
  versions: { channel_id: string; version: string | null }[],
): RawBuilder<StoredEvents> {
  // In the order of the key, so that two writers with the same events wait for each other and never in a circle.
  const sorted = [...entries].sort((a, b) => compare(a.channel_id, b.channel_id) || compare(a.dedup_key, b.dedup_key))
  const column = <K extends keyof LedgerEntry>(key: K) => sorted.map(entry => entry[key])
  return sql<StoredEvents>`
    select stored, current_channels as channels from accept_inbound_events(
      ${versions.map(known => known.channel_id)}::uuid[], ${versions.map(known => known.version)}::text[],
      ${column('id')}::uuid[], ${column('channel_id')}::uuid[], ${column('dedup_key')}::text[],
      ${column('lane')}::smallint[], ${column('source')}::text[], ${column('received_at')}::timestamptz[],
      ${sorted.map(entry => JSON.stringify(entry.payload))}::text[])`
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/**
 * Takes lanes of a channel until the transaction ends, so that the events of a thread are applied in order: one drain
 * at a time per lane. Returns those of `lanes` that no other drain has.
 */
export async function lockLanes(trx: Trx, channel_id: string, lanes: number[]): Promise<number[]> {
  const { rows } = await sql<{ lane: number }>`
    select lane from unnest(${lanes}::smallint[]) lane
    where pg_try_advisory_xact_lock(hashtextextended(${`drain:${channel_id}:`} || lane, 0))`.execute(trx)
  return rows.map(row => row.lane)
}

/**
 * Keeps messages and deletions of a channel apart until the transaction ends. Lanes that only bring messages may work
 * side by side ('shared'); one that deletes works 'alone', or a message and its deletion could miss each other.
 */
export async function lockChannelOrder(trx: Trx, channel_id: string, mode: 'shared' | 'alone'): Promise<void> {
  const key = sql`hashtextextended(${`order:${channel_id}`}, 0)`
  await (mode === 'alone'
    ? sql`select pg_advisory_xact_lock(${key})`.execute(trx)
    : sql`select pg_advisory_xact_lock_shared(${key})`.execute(trx))
}

export type PendingEvent = Pick<InboundEvent, 'id' | 'lane' | 'received_at' | 'attempts'> & {
  source: InboundSource
  payload: unknown
}

/** A batch ends with the payload that takes it past this: in the worker each is there several times over. */
const MAX_CLAIMED_BYTES = 8 * 1024 * 1024

/** The oldest undone events of these lanes, up to `limit`, oldest first; the caller holds the lanes. */
export async function claimPendingEvents(
  trx: Trx,
  channel_id: string,
  lanes: number[],
  limit: number,
): Promise<PendingEvent[]> {
  // Lane by lane, so that each is read along its index however long the others are.
  const { rows } = await sql<PendingEvent>`
    select id, lane, received_at, attempts, source, payload
    from (
      select e.*, found.payload, sum(found.bytes) over (order by e.id) - found.bytes as bytes_before
      from (
        select pending.* from unnest(${lanes}::smallint[]) as held (lane), lateral (
          select id, lane, received_at, attempts, source, parked_payload from inbound_events
          where channel_id = ${channel_id} and lane = held.lane and state = 'pending'
          order by id limit ${limit}) pending
        order by pending.id limit ${limit}) e
      left join lateral (select payload from inbound_payloads where id = e.id limit 1) p on true,
      lateral (select payload, coalesce(octet_length(payload::text), 0) as bytes
        from (select coalesce(e.parked_payload, p.payload) as payload) as kept) found) as read
    where bytes_before < ${MAX_CLAIMED_BYTES}
    order by id`.execute(trx)
  return rows
}

/** Which of a channel's lanes have events that are not done. */
export async function listPendingLanes(trx: Trx, channel_id: string, lanes: number[]): Promise<number[]> {
  const { rows } = await sql<{ lane: number }>`
    select lane from unnest(${lanes}::smallint[]) as asked (lane)
    where exists (select from inbound_events e
      where e.channel_id = ${channel_id} and e.lane = asked.lane and e.state = 'pending')`.execute(trx)
  return rows.map(row => row.lane)
}

export type ClosedEvent = Pick<InboundEvent, 'id' | 'lane' | 'occurred_at'> & { state: 'done' | 'ignored' }

/** Closes events that were claimed in this transaction. */
export async function closeInboundEvents(
  trx: Trx,
  channel_id: string,
  closed: ClosedEvent[],
  processed_at: Date,
): Promise<void> {
  if (closed.length === 0) return
  const column = <K extends keyof ClosedEvent>(key: K) => closed.map(event => event[key])
  await sql`
    update inbound_events e
    set state = c.state, occurred_at = c.occurred_at, processed_at = ${processed_at}, error = null, parked_payload = null
    from unnest(${column('id')}::uuid[], ${column('lane')}::smallint[], ${column('state')}::text[],
      ${column('occurred_at')}::timestamptz[]) as c (id, lane, state, occurred_at),
      lateral (select p.ctid from inbound_events p
        where p.channel_id = ${channel_id} and p.lane = c.lane and p.id = c.id and p.state = 'pending'
        for update) pending
    where e.ctid = pending.ctid`.execute(trx)
}

type EventKey = Pick<InboundEvent, 'id' | 'lane'> & { channel_id: string }

const pendingEvent = (trx: Trx, { id, lane, channel_id }: EventKey) =>
  trx
    .updateTable('inbound_events')
    .where('channel_id', '=', channel_id)
    .where('lane', '=', lane)
    .where('id', '=', id)
    .where('state', '=', 'pending')

/** Counts a failure of one event. Returns how many there are now; undefined when it is done or parked already. */
export async function countInboundFailure(trx: Trx, event: EventKey, error: string): Promise<number | undefined> {
  const row = await pendingEvent(trx, event)
    .set(eb => ({ attempts: eb('attempts', '+', 1), error }))
    .returning('attempts')
    .executeTakeFirst()
  return row?.attempts
}

/** Lets one event wait for a person, with its payload, which now outlives its day. */
export async function parkInboundEvent(trx: Trx, event: EventKey, error: string): Promise<void> {
  await pendingEvent(trx, event)
    .set(eb => ({
      state: 'parked',
      error,
      attempts: eb.fn<number>('greatest', ['attempts', eb.lit(1)]),
      parked_payload: eb.fn.coalesce(
        'parked_payload',
        eb.selectFrom('inbound_payloads as p').select('p.payload').where('p.id', '=', event.id),
      ),
    }))
    .execute()
}

export type ParkedEvent = Pick<
  InboundEvent,
  'id' | 'channel_id' | 'dedup_key' | 'source' | 'received_at' | 'attempts' | 'error'
> & { payload: unknown }

/** A channel's parked events, oldest first. */
export async function listParkedEvents(
  trx: Trx,
  channel_id: string,
  page: { limit: number; after?: string | undefined },
): Promise<ParkedEvent[]> {
  let query = trx
    .selectFrom('inbound_events')
    .select(['id', 'channel_id', 'dedup_key', 'source', 'received_at', 'attempts', 'error'])
    .select('parked_payload as payload')
    .where('channel_id', '=', channel_id)
    .where('state', '=', 'parked')
  if (page.after) query = query.where('id', '>', page.after)
  return query.orderBy('id').limit(page.limit).execute()
}

/** Channels of all workspaces, but for paused ones, that have undone events received before `before`. */
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
      and not exists (select from channels c where c.id = pending.channel_id and c.status = 'paused')
    limit ${limit}`.execute(trx)
  return rows
}
