import { type IngestJob, ingestJob } from '@parley/contracts'
import { ALL_LANES } from '@parley/core'
import { listPendingLanes } from '@parley/db'
import type { WorkerContext } from '../context.ts'
import { drainBatch, type Failure } from '../drain-batch.ts'
import { blameEvent, isAboutTheData } from '../park-event.ts'

const BATCH = 500
/** Of a channel that used up its turn: what others wait for is the batch that is being worked on. */
const BUSY_BATCH = 250
/** A channel's turn. Others get theirs before it goes on: one viral post delays nobody else. */
const TURN_MS = 250

/**
 * How a turn ended: nothing was left, another drain had all the lanes, or the time was up. A channel that uses up its
 * turns is busy.
 */
export type Turn = { batches: number; ended: 'empty' | 'taken' | 'time' }

/**
 * Drains a channel's ledger into the inbox for one turn, batch by batch, each in one transaction. A batch that fails is
 * halved until the event that is to blame stands alone; that one is parked, and the rest goes on.
 */
export function ingest(ctx: WorkerContext) {
  return async (data: unknown): Promise<Turn> => {
    const job = ingestJob.parse(data)
    const lanes = job.lanes ?? ALL_LANES
    const until = ctx.monotonicMs() + TURN_MS
    const most = job.lanes ? BUSY_BATCH : BATCH
    let limit = most
    let batches = 0
    for (;;) {
      const failure: Failure = { claimed: [] }
      try {
        const outcome = await drainBatch(ctx, job, lanes, limit, failure)
        if (outcome !== 'applied') return { batches, ended: outcome }
        batches += 1
        ctx.wakeUps.publish(job.workspace_id)
        limit = Math.min(most, limit * 2)
      } catch (error) {
        // The database is away or busy: no event is to blame, and the sweeper comes back to them.
        const [suspect] = failure.claimed
        if (!suspect || !isAboutTheData(error)) throw error
        if (failure.claimed.length === 1) await blameEvent(ctx, job, suspect, error)
        limit = Math.max(1, Math.floor(failure.claimed.length / 2))
      }
      if (ctx.monotonicMs() >= until) return { batches, ended: 'time' }
    }
  }
}

/**
 * A hint that came while the drain ran was dropped: look once more whether anything is left. A busy channel goes on in
 * two halves of its lanes, side by side.
 */
export function ingestAfterwards(ctx: WorkerContext) {
  return async (data: unknown, result: unknown): Promise<void> => {
    const { ended } = result as Turn
    // The drain that has the lanes looks for itself when it ends.
    if (ended === 'taken') return
    const job = ingestJob.parse(data)
    const { workspace_id, channel_id, lanes = ALL_LANES } = job
    const pending = await ctx.db.inWorkspace(workspace_id, trx => listPendingLanes(trx, channel_id, lanes))
    if (pending.length === 0) return
    for (const next of ended === 'time' && !job.lanes ? halvesOf(job) : [job]) ctx.hints.ingest(next)
  }
}

function halvesOf(job: IngestJob): IngestJob[] {
  const middle = ALL_LANES.length / 2
  return [
    { ...job, lanes: ALL_LANES.slice(0, middle) },
    { ...job, lanes: ALL_LANES.slice(middle) },
  ]
}
