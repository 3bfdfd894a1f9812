import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { InboundSource } from './inbound-events.ts'
import { INGEST_MS, NETWORK_MS } from './ledger-state.ts'

/** What became of the events of an hour; `duplicates` are deliveries of what the ledger had already. */
export type EventCounts = {
  stored: number
  ignored: number
  parked: number
  discarded: number
  pending: number
  duplicates: number
}

/** One hour of a channel's ledger, from one source or, where that is null, from all of them. Lags in ms. */
export type LedgerHour = EventCounts & {
  hour: Date
  source: InboundSource | null
  ingest_p50: number | null
  ingest_max: number | null
  network_p50: number | null
  network_max: number | null
}

/**
 * Counts a channel's events of [from, to), which lie on full hours, by the hour in which they were received. Reads each
 * event of the period once, along an index: about a second for half a million.
 */
export async function countLedgerHours(trx: Trx, channel_id: string, from: Date, to: Date): Promise<LedgerHour[]> {
  // Each branch has an index of its own.
  const inHour = (states: string) => sql`
    select source, state, received_at, processed_at, occurred_at, 0 as repeats from inbound_events
    where channel_id = ${channel_id} and state ${sql.raw(states)} and id >= hour.first_id and id < hour.next_id`
  const counted = (state: string) => sql`count(*) filter (where state = ${sql.lit(state)})::int`
  const { rows } = await sql<LedgerHour>`
    select hour.at as hour, counts.* from (
      select at, first_id_at(at) as first_id, first_id_at(at + interval '1 hour') as next_id
      from generate_series(${from}::timestamptz, ${to}::timestamptz - interval '1 hour', interval '1 hour') as at) hour,
    lateral (
      select source, ${counted('done')} as stored, ${counted('ignored')} as ignored, ${counted('parked')} as parked,
        ${counted('discarded')} as discarded, ${counted('pending')} as pending,
        coalesce(sum(repeats), 0)::int as duplicates,
        percentile_disc(0.5) within group (order by ${INGEST_MS}) filter (where state <> 'discarded') as ingest_p50,
        max(${INGEST_MS}) filter (where state <> 'discarded') as ingest_max,
        percentile_disc(0.5) within group (order by ${NETWORK_MS}) as network_p50, max(${NETWORK_MS}) as network_max
      from (
        ${inHour("in ('done', 'ignored', 'discarded')")}
        union all ${inHour("= 'parked'")}
        union all ${inHour("= 'pending'")}
        union all
        select source, null, null, null, null, count from inbound_duplicates
        where channel_id = ${channel_id} and received_at >= hour.at and received_at < hour.at + interval '1 hour') e
      group by grouping sets ((source), ())) counts
    order by hour.at`.execute(trx)
  return rows
}
