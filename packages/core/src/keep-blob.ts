import { setTimeout as delay } from 'node:timers/promises'
import type { Blob, BlobSource, BlobStore } from '@parley/blob-store'
import { announceBlob, type Database } from '@parley/db'

/** A worker gives up deleting after a minute, so one that began this long ago has died. */
export const DELETION_STUCK_MS = 10 * 60_000
const LOOK_AGAIN_MS = 500
const MAX_LOOKS = 20

/**
 * Puts bytes into the store, where they stay for a day and then for as long as an attachment refers to them. That they
 * are coming is committed before they appear, so that nothing which dies in between leaves bytes that nobody knows of.
 * Not inside a transaction.
 * @param options.from_ledger an event of the ledger is going to name them
 */
export async function keepBlob(
  db: Database,
  blobs: BlobStore,
  workspace_id: string,
  source: BlobSource,
  now: () => Date,
  options: { from_ledger: boolean } = { from_ledger: false },
): Promise<Blob> {
  return blobs.put(workspace_id, source, async ({ key, byte_size }) => {
    for (let looks = 0; looks < MAX_LOOKS; looks += 1) {
      const at = now()
      const stuck_before = new Date(at.getTime() - DELETION_STUCK_MS)
      const blob = { key, byte_size, ...options }
      if (await db.inWorkspace(workspace_id, trx => announceBlob(trx, blob, at, stuck_before))) return
      await delay(LOOK_AGAIN_MS)
    }
    throw new Error('the same bytes are being deleted')
  })
}
