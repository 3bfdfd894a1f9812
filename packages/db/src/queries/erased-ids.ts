import { sql } from 'kysely'
import type { Trx } from '../database.ts'

/** What the hashes of erased ids are made with; undefined while nothing was erased in this workspace. */
export async function findErasureKey(trx: Trx): Promise<Buffer | undefined> {
  return (await trx.selectFrom('erasure_keys').select('key').executeTakeFirst())?.key
}

const WORK = sql`hashtextextended('erasures:' || current_workspace(), 0)`

/**
 * As findErasureKey, for whoever writes what comes in: until their transaction ends nothing begins to be erased, so that
 * nobody writes for an account that they found before it was erased.
 */
export async function shareErasureKey(trx: Trx): Promise<Buffer | undefined> {
  // Sent together and yet two statements: one alone would see what stood there before it waited.
  const [, key] = await Promise.all([
    sql`select pg_advisory_xact_lock_shared(${WORK})`.execute(trx),
    findErasureKey(trx),
  ])
  return key
}

/** Waits until nothing that came in is being written, and keeps it so until the transaction ends. */
export async function keepWritersOut(trx: Trx): Promise<void> {
  await sql`select pg_advisory_xact_lock(${WORK})`.execute(trx)
}

/** The workspace's key; `fresh` becomes it when there is none yet. */
export async function ensureErasureKey(trx: Trx, fresh: Buffer): Promise<Buffer> {
  await trx
    .insertInto('erasure_keys')
    .values({ key: fresh })
    .onConflict(conflict => conflict.columns(['workspace_id']).doNothing())
    .execute()
  return (await findErasureKey(trx))!
}

/** @param digests in hexadecimal */
export async function insertErasedIds(trx: Trx, digests: string[], erased_at: Date): Promise<void> {
  if (digests.length === 0) return
  await sql`
    insert into erased_ids (digest, erased_at)
    select decode(digest, 'hex'), ${erased_at} from unnest(${digests}::text[]) as given (digest)
    on conflict (workspace_id, digest) do nothing`.execute(trx)
}

/** Which of these were erased, and when. */
export async function findErasedIds(trx: Trx, digests: string[]): Promise<Map<string, Date>> {
  if (digests.length === 0) return new Map()
  const { rows } = await sql<{ digest: string; erased_at: Date }>`
    select wanted.digest, found.erased_at from unnest(${digests}::text[]) as wanted (digest), lateral (
      select erased_at from erased_ids where digest = decode(wanted.digest, 'hex') limit 1) found`.execute(trx)
  return new Map(rows.map(row => [row.digest, row.erased_at]))
}

/**
 * Takes away what undone events of a channel brought, and the key by which the network knows them; they are closed by
 * whoever claimed them.
 */
export async function scrubClaimedEvents(
  trx: Trx,
  channel_id: string,
  events: { id: string; lane: number }[],
  key: Buffer,
  now: Date,
): Promise<void> {
  await sql`
    with scrubbed as (
      update inbound_events e
      set parked_payload = null, error = null, dedup_key = 'erased:' || encode(
        sha256(decode(${key.toString('hex')}, 'hex') || convert_to('event:' || e.channel_id || ':' || e.dedup_key, 'UTF8')),
        'hex')
      from unnest(${events.map(event => event.id)}::uuid[], ${events.map(event => event.lane)}::smallint[]) as s (id, lane)
      where e.channel_id = ${channel_id} and e.lane = s.lane and e.id = s.id and e.state = 'pending'
        and e.dedup_key not like 'erased:%'
      returning e.dedup_key)
    insert into erased_ids (digest, erased_at)
    select decode(substr(dedup_key, 8), 'hex'), ${now} from scrubbed
    on conflict (workspace_id, digest) do nothing`.execute(trx)
  await sql`delete from inbound_payloads where id = any(${events.map(event => event.id)}::uuid[])`.execute(trx)
}
