import { type BatchJob, batchJob } from '@parley/contracts'
import { advanceBatch, type BatchPart, refuseItem } from '@parley/core'
import { capabilitiesIn } from '../capabilities-of.ts'
import type { WorkerContext } from '../context.ts'
import { isDatabaseAway } from '../feed/blame.ts'

/** So many messages, with the conversations in which they stand, are locked at a time: others wait for no more than that. */
const PART = 25
/** A batch's turn. Others get theirs before it goes on: a storm delays nobody's handful. */
const TURN_MS = 500

type Ended = Exclude<BatchPart['ended'], 'more'> | 'time'

/**
 * Goes through a batch of messages for one turn, in parts that commit by themselves. A part that fails is halved until the
 * message that is to blame stands alone; that one is refused, and the others go on.
 */
export function batches(ctx: WorkerContext) {
  const capabilitiesOf = capabilitiesIn(ctx)
  return async (data: unknown): Promise<Ended> => {
    const { workspace_id, batch_id } = batchJob.parse(data)
    const until = ctx.monotonicMs() + TURN_MS
    let limit = PART
    for (;;) {
      const hands: { message_ids: string[] } = { message_ids: [] }
      try {
        const { ended, queued } = await ctx.db.inWorkspace(workspace_id, trx =>
          advanceBatch(trx, batch_id, limit, capabilitiesOf, ctx.now(), hands),
        )
        for (const action of queued) ctx.hints.send({ workspace_id, batch_id, ...action })
        if (ended === 'more' || ended === 'finished') ctx.wakeUps.publish(workspace_id)
        if (ended !== 'more') return ended
        limit = Math.min(PART, limit * 2)
      } catch (error) {
        const [suspect] = hands.message_ids
        // No message is to blame, and the sweeper comes back to the batch.
        if (!suspect || isDatabaseAway(error)) throw error
        if (hands.message_ids.length === 1) await blame(ctx, { workspace_id, batch_id }, suspect, error)
        limit = Math.max(1, Math.floor(hands.message_ids.length / 2))
      }
      if (ctx.monotonicMs() >= until) return 'time'
    }
  }
}

async function blame(ctx: WorkerContext, job: BatchJob, message_id: string, error: unknown): Promise<void> {
  const { workspace_id, batch_id } = job
  ctx.logger.error({ err: error, workspace_id, batch_id, message_id }, 'message failed in a batch')
  await ctx.db.inWorkspace(workspace_id, trx => refuseItem(trx, batch_id, message_id, ctx.now()))
  ctx.wakeUps.publish(workspace_id)
}

/** One whose time was up goes on behind those that wait. */
export function batchesAfterwards(ctx: WorkerContext) {
  return async (data: unknown, result: unknown): Promise<void> => {
    if ((result as Ended) === 'time') ctx.hints.batch(batchJob.parse(data))
  }
}
