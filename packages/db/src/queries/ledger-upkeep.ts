import { sql } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'

/**
 * Forgets up to `limit` events of a workspace that were closed before `before`, oldest first; never one that is pending
 * or parked. Returns how many: less than `limit` means that there are no more.
 */
export async function deleteClosedEvents(trx: Trx, before: Date, limit: number): Promise<number> {
  // Channel by channel, along the index of closed events; what another worker is forgetting is left to it.
  const { numAffectedRows } = await sql`
    delete from inbound_events where ctid = any(array(
      select old.place from channels c, lateral (
        select ctid as place from inbound_events
        where channel_id = c.id and state in ('done', 'ignored', 'discarded')
          and id < first_id_at(${before}) and processed_at < ${before}
        order by id limit ${limit} for update skip locked) old
      limit ${limit}))`.execute(trx)
  return Number(numAffectedRows)
}

/** Forgets up to `limit` counts of duplicates that were received before `before`. Returns how many. */
export async function deleteDuplicateCounts(trx: Trx, before: Date, limit: number): Promise<number> {
  // By place: joined by their ids, 12 000 rows of a table without statistics took over ten seconds.
  const { numAffectedRows } = await sql`
    delete from inbound_duplicates where ctid = any(array(
      select ctid from inbound_duplicates where id < first_id_at(${before}) order by id limit ${limit}
      for update skip locked))`.execute(trx)
  return Number(numAffectedRows)
}

/** A partition's coming or going needs every reader and writer of payloads to pause: they are not kept waiting. */
const giveUpSoon = sql`set local lock_timeout = '2s'`

/** Makes the payload partitions that are missing, of `days` days from the one of `now` on. */
export async function ensurePayloadPartitions(trx: SystemTrx, now: Date, days: number): Promise<void> {
  await giveUpSoon.execute(trx)
  await sql`select ensure_payload_partitions((${now}::timestamptz at time zone 'UTC')::date, ${days})`.execute(trx)
}

/** Drops payloads of the days that were over at `before`, but for those that are still to be read. */
export async function dropPayloadPartitions(trx: SystemTrx, before: Date): Promise<void> {
  await giveUpSoon.execute(trx)
  await sql`select drop_payload_partitions(${before})`.execute(trx)
}
