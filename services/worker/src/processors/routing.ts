import { routeConversations } from '@parley/core'
import { listRoutedWorkspaces } from '@parley/db'
import type { WorkerContext } from '../context.ts'

/** Gives conversations to people that nobody could take when they came: somebody is back, or has room again. */
export function routeWaiting(ctx: WorkerContext) {
  return async (): Promise<void> => {
    for (const workspace_id of await ctx.db.asSystem(listRoutedWorkspaces)) {
      if ((await ctx.db.inWorkspace(workspace_id, trx => routeConversations(trx, ctx.now()))) > 0)
        ctx.wakeUps.publish(workspace_id)
    }
  }
}
