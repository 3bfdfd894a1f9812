import { breachClocks } from '@parley/core'
import { listWorkspacesWithDueClocks } from '@parley/db'
import type { WorkerContext } from '../context.ts'

const BATCH = 1_000

/** Records the breaches that have come due. Its cost follows what is due, not what is open. */
export function slaTick(ctx: WorkerContext) {
  return async (): Promise<void> => {
    const due = await ctx.db.asSystem(trx => listWorkspacesWithDueClocks(trx, ctx.now()))
    for (const workspace_id of due) {
      let found: number
      do {
        found = await ctx.db.inWorkspace(workspace_id, trx => breachClocks(trx, ctx.now(), BATCH))
      } while (found === BATCH)
      ctx.wakeUps.publish(workspace_id)
    }
  }
}
