import { beginSelfCheck, checkNextClocks, recordSelfCheck, SELF_CHECK_EVERY_MS } from '@parley/core'
import { listWorkspacesToSelfCheck } from '@parley/db'
import type { WorkerContext } from '../context.ts'

/**
 * Once a day, recomputes the clocks of some conversations of each workspace from the log, and reports whatever is stored
 * otherwise as an error. One worker is at a check at a time; one that dies leaves it to the next where it had come to.
 */
export function selfCheckClocks(ctx: WorkerContext) {
  return async (): Promise<void> => {
    const before = new Date(ctx.now().getTime() - SELF_CHECK_EVERY_MS)
    // Of what cannot be checked at all the others know nothing.
    for (const workspace_id of await ctx.db.asSystem(trx => listWorkspacesToSelfCheck(trx, before, ctx.now())))
      await checkWorkspace(ctx, workspace_id).catch(err =>
        ctx.logger.error({ workspace_id, err }, 'clocks were not checked'),
      )
  }
}

async function checkWorkspace(ctx: WorkerContext, workspace_id: string): Promise<void> {
  let check = await ctx.db.inWorkspace(workspace_id, trx => beginSelfCheck(trx, ctx.now(), ctx.random))
  while (check && !check.finished_at) {
    const next = check
    const checked = await ctx.db.inSnapshot(workspace_id, trx => checkNextClocks(trx, next, ctx.now()))
    const recorded = await ctx.db.inWorkspace(workspace_id, trx => recordSelfCheck(trx, next, checked, ctx.now()))
    for (const { conversation_id, clock_id, level, field, stored, recomputed } of recorded?.found ?? []) {
      ctx.metrics.countSlaDifference(level, field)
      const difference = { workspace_id, conversation_id, clock_id, level, field, stored, recomputed }
      ctx.logger.error(difference, 'a clock differs from its events')
    }
    check = recorded?.check
  }
}
