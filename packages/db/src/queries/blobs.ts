import { sql } from 'kysely'
import type { Trx } from '../database.ts'

/**
 * Says that these bytes are about to be in the store. False while a worker is deleting the same ones: they can be put
 * when it is done. A worker that began to delete before `stuck_before` has died.
 */
export async function announceBlob(
  trx: Trx,
  blob: { key: string; byte_size: number; from_ledger: boolean },
  now: Date,
  stuck_before: Date,
): Promise<boolean> {
  const { rows } = await sql`
    insert into blobs as b (key, byte_size, put_at, from_ledger)
    values (${blob.key}, ${blob.byte_size}, ${now}, ${blob.from_ledger})
    on conflict (workspace_id, key) do update
      set put_at = excluded.put_at, from_ledger = b.from_ledger or excluded.from_ledger, deleting_at = null
      where b.deleting_at is null or b.deleting_at < ${stuck_before}
    returning key`.execute(trx)
  return rows.length > 0
}

/** How many bytes a blob has; undefined for one that was never announced, or is being deleted. */
export async function findBlobSize(trx: Trx, key: string): Promise<number | undefined> {
  const query = trx.selectFrom('blobs').select('byte_size').where('key', '=', key).where('deleting_at', 'is', null)
  return (await query.executeTakeFirst())?.byte_size
}

export type GarbagePage = { limit: number; after: string; put_before: Date; stuck_before: Date }

/**
 * Looks at the next `limit` blobs in the order of their keys and marks those that nothing refers to: their bytes can be
 * deleted, and then the rows. `last` is where the next page begins; null after the last one.
 */
export async function markGarbage(
  trx: Trx,
  page: GarbagePage,
  now: Date,
): Promise<{ keys: string[]; last: string | null }> {
  const { rows: seen } = await sql<{ key: string }>`
    select key from blobs where key > ${page.after} order by key limit ${page.limit}`.execute(trx)
  const last = seen.at(-1)?.key ?? null
  if (last === null) return { keys: [], last }
  const { rows } = await sql<{ key: string }>`
    update blobs b set deleting_at = ${now}
    where b.key > ${page.after} and b.key <= ${last} and b.put_at < ${page.put_before}
      and (b.deleting_at is null or b.deleting_at < ${page.stuck_before})
      and not exists (select from attachments a where a.blob_key = b.key)
      and not exists (select from contact_exports x where x.blob_key = b.key)
      -- An event that came with them may still become a message: they were put right before it was received.
      and not (b.from_ledger and exists (
        select from inbound_events e
        where e.state in ('pending', 'parked') and e.received_at <= b.put_at + interval '1 hour'))
    returning b.key`.execute(trx)
  return { keys: rows.map(row => row.key), last: seen.length < page.limit ? null : last }
}

/** Forgets blobs whose bytes are deleted, unless they have been put again by now. */
export async function forgetBlobs(trx: Trx, keys: string[], deleting_at: Date): Promise<void> {
  if (keys.length === 0) return
  await sql`delete from blobs where key = any(${keys}::text[]) and deleting_at = ${deleting_at}`.execute(trx)
}
