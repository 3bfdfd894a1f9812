import { DELETION_STUCK_MS } from '@parley/core'
import { forgetBlobs, listWorkspaceIds, markGarbage } from '@parley/db'
import type { WorkerContext } from '../context.ts'

/** From putting bytes to the row that refers to them it takes minutes at most. */
const KEEP_MS = 24 * 3_600_000
/** So long may deleting go on after bytes were marked; from DELETION_STUCK_MS on somebody may put the same ones again. */
const DELETE_WITHIN_MS = 60_000
const BATCH = 1_000

/** Deletes bytes that nothing refers to, and what writers that died have left half written. */
export function collectBlobs(ctx: WorkerContext) {
  return async (): Promise<void> => {
    await ctx.blobs.tidy(new Date(ctx.now().getTime() - KEEP_MS))
    for (const workspace_id of await ctx.db.asSystem(listWorkspaceIds)) {
      for (let after: string | null = ''; after !== null; ) after = await collectPage(ctx, workspace_id, after)
    }
  }
}

/** Returns where the next page begins. Nothing is deleted inside a transaction: the marks are committed before. */
async function collectPage(ctx: WorkerContext, workspace_id: string, after: string): Promise<string | null> {
  const now = ctx.now()
  const startedMs = ctx.monotonicMs()
  const before = (ms: number) => new Date(now.getTime() - ms)
  const page = { limit: BATCH, after, put_before: before(KEEP_MS), stuck_before: before(DELETION_STUCK_MS) }
  const { keys, last } = await ctx.db.inWorkspace(workspace_id, trx => markGarbage(trx, page, now))
  const deleted: string[] = []
  for (const key of keys) {
    // What a worker that was asleep leaves is marked again in a later round.
    if (ctx.monotonicMs() - startedMs > DELETE_WITHIN_MS) break
    await ctx.blobs.delete(key)
    deleted.push(key)
  }
  await ctx.db.inWorkspace(workspace_id, trx => forgetBlobs(trx, deleted, now))
  return last
}
