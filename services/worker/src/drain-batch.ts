import { setImmediate as othersFirst } from 'node:timers/promises'
import { MalformedPayload } from '@parley/connectors'
import type { IngestJob } from '@parley/contracts'
import { applyInbound, type NormalisedEvent } from '@parley/core'
import {
  type Channel,
  claimPendingEvents,
  findChannel,
  lockChannelOrder,
  lockLanes,
  type PendingEvent,
  type Trx,
} from '@parley/db'
import type { WorkerContext } from './context.ts'
import { EventFailed, parkEvent } from './park-event.ts'

/** After so many events whatever else this process has to do comes first: that is a few milliseconds of work. */
const BREATH = 100

/** What a batch had claimed when it failed. */
export type Failure = { claimed: PendingEvent[] }

/**
 * Applies up to `limit` events of these lanes in one transaction: all of it stands there, or nothing.
 * `taken` means that other drains have all of the lanes, or that the channel is paused.
 */
export async function drainBatch(
  ctx: WorkerContext,
  { workspace_id, channel_id }: IngestJob,
  lanes: number[],
  limit: number,
  failure: Failure,
): Promise<'applied' | 'empty' | 'taken'> {
  const numbers = ctx.conversationNumbers.of(workspace_id)
  const startedMs = ctx.monotonicMs()
  let batch: NormalisedEvent[] = []
  const work = async (trx: Trx) => {
    failure.claimed = []
    const { held, channel, claimed } = await claim(trx, channel_id, lanes, limit)
    // What a paused channel receives waits in the ledger, and nobody looks at once whether there is more.
    if (held.length === 0 || channel?.status === 'paused') return 'taken'
    if (claimed.length === 0 || !channel) return 'empty'
    failure.claimed = claimed
    batch = []
    for (const [index, row] of claimed.entries()) {
      if (index % BREATH === BREATH - 1) await othersFirst()
      const event = normalise(ctx, channel, row)
      if (event) batch.push(event)
      else await parkEvent(ctx, trx, channel_id, row, 'The payload is not of the shape its network documents.')
    }
    // Deletions name no thread: the message they mean may be in the hands of another lane's drain.
    await lockChannelOrder(trx, channel_id, batch.some(({ event }) => event.type === 'deletion') ? 'alone' : 'shared')
    await numbers.reserve(threadsOf(batch))
    await applyInbound(trx, channel, batch, numbers.next, ctx.now())
    return 'applied'
  }
  const outcome = await ctx.db.inWorkspaceByKeys(workspace_id, work).finally(numbers.release)
  if (outcome === 'applied') {
    const duration_ms = ctx.monotonicMs() - startedMs
    if (batch.some(({ event }) => event.type === 'message' && event.attachments?.length)) {
      ctx.hints.attachments({ workspace_id, channel_id })
    }
    ctx.metrics.observeBatch({ events: batch, claimed: failure.claimed.length, duration_ms }, ctx.now())
  }
  return outcome
}

/** One round trip: events are read before it is known which lanes are ours, and those of the others left alone. */
async function claim(trx: Trx, channel_id: string, lanes: number[], limit: number) {
  const [held, channel, read] = await Promise.all([
    lockLanes(trx, channel_id, lanes),
    findChannel(trx, channel_id),
    claimPendingEvents(trx, channel_id, lanes, limit),
  ])
  const mine = held.length === lanes.length
  const claimed = mine || held.length === 0 ? read : await claimPendingEvents(trx, channel_id, held, limit)
  return { held, channel, claimed }
}

function threadsOf(batch: NormalisedEvent[]): number {
  return new Set(batch.map(({ event }) => (event.type === 'message' ? event.thread_key : undefined))).size
}

function normalise(ctx: WorkerContext, channel: Channel, row: PendingEvent): NormalisedEvent | undefined {
  const { payload, ...facts } = row
  try {
    return { ...facts, event: ctx.connectorFor(channel.kind).normalise(channel, payload, row.received_at) }
  } catch (error) {
    if (error instanceof MalformedPayload) return undefined
    throw new EventFailed(error instanceof Error ? error.message : String(error), { cause: error })
  }
}
