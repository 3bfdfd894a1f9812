import { breachClocks, warnClocks } from '@parley/core'
import { listWorkspacesToWarn, listWorkspacesWithDueClocks, type Trx } from '@parley/db'
import type { WorkerContext } from '../context.ts'

const BATCH = 1_000

/**
 * Records the breaches that have come due, and tells what is about to. Its cost follows what is due, not what is open.
 */
export function slaTick(ctx: WorkerContext) {
  const inBatches = async (workspace_id: string, work: (trx: Trx, now: Date, limit: number) => Promise<number>) => {
    let found: number
    do {
      found = await ctx.db.inWorkspace(workspace_id, trx => work(trx, ctx.now(), BATCH))
    } while (found === BATCH)
    ctx.wakeUps.publish(workspace_id)
  }
  return async (): Promise<void> => {
    const [due, warned] = await ctx.db.asSystem(trx =>
      Promise.all([listWorkspacesWithDueClocks(trx, ctx.now()), listWorkspacesToWarn(trx, ctx.now())]),
    )
    // What has fallen due is not about to any more.
    for (const workspace_id of due) await inBatches(workspace_id, breachClocks)
    for (const workspace_id of warned) await inBatches(workspace_id, warnClocks)
  }
}
