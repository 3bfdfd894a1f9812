import { tellDueTasks } from '@parley/core'
import { listWorkspacesWithDueTasks } from '@parley/db'
import type { WorkerContext } from '../context.ts'

const BATCH = 500

/** Tells of tasks that have fallen due. Any number of workers may be at it: each task is one's alone. */
export function tellOfDueTasks(ctx: WorkerContext) {
  return async (): Promise<void> => {
    for (const workspace_id of await ctx.db.asSystem(trx => listWorkspacesWithDueTasks(trx, ctx.now()))) {
      while ((await ctx.db.inWorkspace(workspace_id, trx => tellDueTasks(trx, ctx.now(), BATCH))) === BATCH);
      ctx.wakeUps.publish(workspace_id)
    }
  }
}
