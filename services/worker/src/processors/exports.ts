import { exportOf, keepBlob } from '@parley/core'
import { claimExport, finishExport, listDueExports } from '@parley/db'
import type { WorkerContext } from '../context.ts'

const BATCH = 20
/** Longer than any of them takes; after that its worker has died. */
const LEASE_MS = 15 * 60_000
const KEEP_MS = 7 * 24 * 3_600_000
const MAX_ATTEMPTS = 5
const RETRY_MS = 60_000

/** Writes the exports that were asked for into the blob store. */
export function exportContacts(ctx: WorkerContext) {
  return async (): Promise<void> => {
    for (const { workspace_id, id } of await ctx.db.asSystem(trx => listDueExports(trx, ctx.now(), BATCH))) {
      await write(ctx, workspace_id, id)
    }
  }
}

async function write(ctx: WorkerContext, workspace_id: string, id: string): Promise<void> {
  const { db, blobs, now } = ctx
  const lease_until = new Date(now().getTime() + LEASE_MS)
  const claimed = await db.inWorkspace(workspace_id, trx => claimExport(trx, id, now(), lease_until))
  if (!claimed) return
  try {
    const { key, byte_size } = await keepBlob(db, blobs, workspace_id, exportOf(db, claimed, now()), now)
    const expires_at = new Date(now().getTime() + KEEP_MS)
    const done = { state: 'done', blob_key: key, byte_size, finished_at: now(), expires_at, next_attempt_at: null }
    const kept = await db.inWorkspace(workspace_id, trx => finishExport(trx, claimed, done))
    // Its contact was erased meanwhile, or another worker has written it: nothing refers to these bytes.
    if (!kept) await blobs.delete(key)
  } catch (error) {
    ctx.logger.warn({ err: error, contact_export_id: id }, 'export failed')
    const failed = claimed.attempts >= MAX_ATTEMPTS
    const change = failed
      ? { state: 'failed', reason: 'It could not be written.', finished_at: now(), next_attempt_at: null }
      : { next_attempt_at: new Date(now().getTime() + RETRY_MS) }
    await db.inWorkspace(workspace_id, trx => finishExport(trx, claimed, change))
  }
}
