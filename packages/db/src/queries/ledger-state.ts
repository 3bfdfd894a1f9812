import { type SelectQueryBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { DB } from '../tables.generated.ts'

/** A count that stops at a limit, so that it costs the same however many there are. */
export type BoundedCount = { count: number; at_least: boolean }

export type Lags = { p50: number | null; p99: number | null; max: number | null }

/** What a channel's ledger tells of its present. Lags in ms, of the events it counts. */
export type LedgerState = {
  last_received_at: Date | null
  last_processed_at: Date | null
  oldest_pending_at: Date | null
  pending: BoundedCount
  parked: BoundedCount
  lag: { events: number; ingest_ms: Lags; network_ms: Lags }
}

const COUNT_AT_MOST = 1_000
const LAGS_OF_AT_MOST = 1_000
/** Lanes are drained side by side: the event that was closed last is among the last that came. */
const CLOSED_LATELY = 100

/**
 * Reads where a channel's ledger stands now, each fact from one end of an index: the cost does not follow how much the
 * ledger holds. Lags are those of the newest events received since `lags_since`.
 */
export async function readLedgerState(
  trx: Trx,
  channel_id: string,
  lanes: number[],
  lags_since: Date,
): Promise<LedgerState> {
  const [ends, pending, parked, lag] = await Promise.all([
    readEnds(trx, channel_id, lanes),
    countAtMost(trx, inState(trx, channel_id, 'pending')),
    countAtMost(trx, inState(trx, channel_id, 'parked')),
    readLags(trx, channel_id, lags_since),
  ])
  return { ...ends, pending, parked, lag }
}

type Ends = Pick<LedgerState, 'last_received_at' | 'last_processed_at' | 'oldest_pending_at'>

async function readEnds(trx: Trx, channel_id: string, lanes: number[]): Promise<Ends> {
  const end = (state: ReturnType<typeof sql>, order: 'asc' | 'desc') => sql`
    (select received_at from inbound_events where channel_id = ${channel_id} and ${state}
      order by id ${sql.raw(order)} limit 1)`
  const closed = sql`state in ('done', 'ignored', 'discarded')`
  const pendingOf = sql`state = 'pending' and lane = asked.lane`
  const { rows } = await sql<Ends>`
    with lane as materialized (
      select ${end(pendingOf, 'asc')} as oldest, ${end(pendingOf, 'desc')} as newest
      from unnest(${lanes}::smallint[]) as asked (lane)),
    lately as materialized (
      select processed_at from inbound_events where channel_id = ${channel_id} and state in ('done', 'ignored')
      order by id desc limit ${CLOSED_LATELY})
    select (select min(oldest) from lane) as oldest_pending_at, (select max(processed_at) from lately) as last_processed_at,
      greatest((select max(newest) from lane), ${end(closed, 'desc')}, ${end(sql`state = 'parked'`, 'desc')})
        as last_received_at`.execute(trx)
  return rows[0]!
}

const inState = (trx: Trx, channel_id: string, state: 'pending' | 'parked') =>
  trx.selectFrom('inbound_events').select('id').where('channel_id', '=', channel_id).where('state', '=', sql.lit(state))

/** Counts rows, but not further than a thousand. */
export async function countAtMost<T extends keyof DB>(
  trx: Trx,
  rows: SelectQueryBuilder<DB, T, unknown>,
): Promise<BoundedCount> {
  const { rows: counted } = await sql<{ count: number }>`
    select count(*)::int as count from (${rows.limit(COUNT_AT_MOST + 1)}) e`.execute(trx)
  const { count } = counted[0]!
  return { count: Math.min(count, COUNT_AT_MOST), at_least: count > COUNT_AT_MOST }
}

/** How long an event took from us to the inbox, and from the network to us; a network's clock may be ahead of ours. */
export const INGEST_MS = sql<number>`round(extract(epoch from processed_at - received_at) * 1000)::float8`
export const NETWORK_MS = sql<number>`
  case when occurred_at is not null
    then round(greatest(0, extract(epoch from received_at - occurred_at)) * 1000)::float8 end`

async function readLags(trx: Trx, channel_id: string, since: Date): Promise<LedgerState['lag']> {
  const { rows } = await sql<{
    events: number
    ingest: number[] | null
    ingest_max: number | null
    network: number[] | null
    network_max: number | null
  }>`
    with newest as (
      select ${INGEST_MS} as ingest, ${NETWORK_MS} as network from inbound_events
      where channel_id = ${channel_id} and state in ('done', 'ignored')
        and id >= first_id_at(${since})
      order by id desc limit ${LAGS_OF_AT_MOST})
    select count(*)::int as events, max(ingest) as ingest_max, max(network) as network_max,
      percentile_disc(array[0.5, 0.99]) within group (order by ingest) as ingest,
      percentile_disc(array[0.5, 0.99]) within group (order by network) as network
    from newest`.execute(trx)
  const { events, ingest, ingest_max, network, network_max } = rows[0]!
  return { events, ingest_ms: lagsOf(ingest, ingest_max), network_ms: lagsOf(network, network_max) }
}

const lagsOf = (percentiles: number[] | null, max: number | null): Lags => ({
  p50: percentiles?.[0] ?? null,
  p99: percentiles?.[1] ?? null,
  max,
})
