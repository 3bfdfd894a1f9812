import { advanceErasure, type ErasureTools, finishErasedFiles, identityNetwork } from '@parley/core'
import { findChannel, listRunningErasures } from '@parley/db'
import type { WorkerContext } from '../context.ts'

const BATCH = 100

/**
 * Goes on with erasures of contacts until each is done or has to wait. Any number of workers may be at it: each piece is
 * done by one of them, and whoever dies leaves it to the next round.
 */
export function eraseContacts(ctx: WorkerContext) {
  return async (): Promise<void> => {
    for (const { workspace_id, id } of await ctx.db.asSystem(trx => listRunningErasures(trx, BATCH))) {
      while (await advance(ctx, workspace_id, id));
    }
  }
}

/** Returns whether there is more to do at once. */
async function advance(ctx: WorkerContext, workspace_id: string, erasure_id: string): Promise<boolean> {
  const ids = { workspace_id, erasure_id }
  const step = await ctx.db.inWorkspace(workspace_id, trx => advanceErasure(trx, ids, toolsOf(ctx), ctx.now()))
  if (step.outcome === 'done') ctx.wakeUps.publish(workspace_id)
  if (step.outcome !== 'files') return step.outcome === 'more'
  for (const key of step.files.keys) await ctx.blobs.delete(key)
  await ctx.db.inWorkspace(workspace_id, trx => finishErasedFiles(trx, erasure_id, step.files))
  return true
}

const toolsOf = (ctx: WorkerContext): ErasureTools => ({
  secretKey: ctx.config.PARLEY_SECRET_KEY,
  authorOf: async (trx, { channel_id, payload, received_at }) => {
    const channel = await findChannel(trx, channel_id)
    if (!channel) return undefined
    try {
      const event = ctx.connectorFor(channel.kind).normalise(channel, payload, received_at)
      if (event.type !== 'message') return null
      return { network: identityNetwork(channel), external_id: event.author.external_id }
    } catch {
      // Whatever a connector throws about a payload: nobody can tell who wrote it.
      return undefined
    }
  },
})
