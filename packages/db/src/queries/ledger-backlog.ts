import { sql } from 'kysely'
import type { SystemTrx } from '../database.ts'

/** How much waits in the ledgers of all workspaces. Counts stop at `count_at_most`. */
export type LedgerBacklog = { pending: number; parked: number; oldest_pending_at: Date | null }

/** Reads the backlog within a second, or fails: it is asked for again and again, and most urgently when there is much. */
export async function readLedgerBacklog(trx: SystemTrx, count_at_most: number): Promise<LedgerBacklog> {
  await sql`set local statement_timeout = '1s'`.execute(trx)
  // A loose index scan: one probe for each lane that has pending events, however many those are.
  const { rows } = await sql<LedgerBacklog>`
    with recursive lane as (
      (select workspace_id, channel_id, lane, received_at from inbound_events
        where state = 'pending' order by workspace_id, channel_id, lane, id limit 1)
      union all
      select next.* from lane, lateral (
        select e.workspace_id, e.channel_id, e.lane, e.received_at from inbound_events e
        where e.state = 'pending'
          and (e.workspace_id, e.channel_id, e.lane) > (lane.workspace_id, lane.channel_id, lane.lane)
        order by e.workspace_id, e.channel_id, e.lane, e.id limit 1) next
    )
    select (select min(received_at) from lane) as oldest_pending_at,
      (select count(*)::int from (select from inbound_events where state = 'pending' limit ${count_at_most}) e) as pending,
      (select count(*)::int from (select from inbound_events where state = 'parked' limit ${count_at_most}) e) as parked`.execute(
    trx,
  )
  return rows[0]!
}
