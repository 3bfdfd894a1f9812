import {
  deleteStoredAnswers,
  listChannelsToPoll,
  listChannelsWithPending,
  listRepliesToAttempt,
  listWorkspaceIds,
} from '@parley/db'
import type { WorkerContext } from '../context.ts'

const BATCH = 1_000
/** Events younger than this have a hint of their own on its way. */
const GRACE_MS = 2_000
const KEEP_ANSWERS_MS = 7 * 24 * 3600 * 1000

/**
 * Hints again whatever is undone in Postgres. Any number of workers may sweep at once; a flushed or absent queue
 * costs the time until the next sweep, never a message.
 */
export function sweep(ctx: WorkerContext) {
  return async (): Promise<void> => {
    const now = ctx.now()
    const before = new Date(now.getTime() - GRACE_MS)
    const work = await ctx.db.asSystem(async trx => ({
      channels: await listChannelsWithPending(trx, before, BATCH),
      replies: await listRepliesToAttempt(trx, now, BATCH),
      polls: await listChannelsToPoll(trx, now, BATCH),
    }))
    for (const job of work.channels) ctx.hints.repeat('ingest', job)
    for (const job of work.replies) ctx.hints.repeat('send', job)
    for (const job of work.polls) ctx.hints.repeat('poll', job)
  }
}

/** Forgets what is kept for a time only: answers stored for idempotency keys. */
export function cleanUp(ctx: WorkerContext) {
  return async (): Promise<void> => {
    const before = new Date(ctx.now().getTime() - KEEP_ANSWERS_MS)
    for (const workspace_id of await ctx.db.asSystem(listWorkspaceIds)) {
      await ctx.db.inWorkspace(workspace_id, trx => deleteStoredAnswers(trx, before))
    }
  }
}
