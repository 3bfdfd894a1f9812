import { postponeReply } from '@parley/core'
import type { WorkerContext } from '../context.ts'

const POSTPONE_MS = 30_000
/** Of the wait: what was put off together does not come back in one moment. */
const SPREAD = 0.1

/** Looks at a reply again at `until`, or in half a minute. */
export async function postpone(
  ctx: WorkerContext,
  workspace_id: string,
  message_id: string,
  until: Date | null,
): Promise<void> {
  const at = spread(ctx, until ?? new Date(ctx.now().getTime() + POSTPONE_MS))
  await ctx.db.inWorkspace(workspace_id, trx => postponeReply(trx, message_id, at))
}

/** A moment not before `at` and a little after it. */
export function spread(ctx: WorkerContext, at: Date): Date {
  const wait = Math.max(1_000, at.getTime() - ctx.now().getTime())
  return new Date(at.getTime() + Math.round(wait * SPREAD * ctx.random()))
}
