import { MalformedPayload } from '@parley/connectors'
import { type ChannelJob, channelJob } from '@parley/contracts'
import { applyInbound, type NormalisedEvent, storableText } from '@parley/core'
import {
  appendEvents,
  type Channel,
  claimPendingEvents,
  findChannel,
  hasPendingEvents,
  lockChannelDrain,
  lockPendingEvent,
  type PendingEvent,
  recordInboundFailure,
  sqlState,
  type Trx,
} from '@parley/db'
import { SYSTEM } from '@parley/domain'
import type { WorkerContext } from '../context.ts'

const BATCH = 500
/** How often an event may fail by itself before it is parked for a person. */
const MAX_ATTEMPTS = 3

type Outcome = 'applied' | 'empty' | 'busy'

/** How many batches a drain applied, and whether it ended because another drain of the channel was at work. */
export type Drained = { batches: number; busy: boolean }

/**
 * Drains one channel's ledger into the inbox, batch by batch, each batch in one transaction. A batch that fails is
 * halved until the event that is to blame stands alone; that one is parked, and the rest goes on.
 */
export function ingest(ctx: WorkerContext) {
  return async (data: unknown): Promise<Drained> => {
    const job = channelJob.parse(data)
    let limit = BATCH
    let claimed: PendingEvent[] = []
    const claim = async (trx: Trx) => {
      claimed = await claimPendingEvents(trx, job.channel_id, limit)
      return claimed
    }
    for (let batches = 0; ; batches += 1) {
      claimed = []
      try {
        const outcome = await ctx.db.inWorkspace(job.workspace_id, trx => applyBatch(ctx, trx, job.channel_id, claim))
        if (outcome !== 'applied') return { batches, busy: outcome === 'busy' }
        ctx.wakeUps.publish(job.workspace_id)
        limit = Math.min(BATCH, limit * 2)
      } catch (error) {
        // The database is away or busy: no event is to blame, and the sweeper comes back to them.
        const [suspect] = claimed
        if (!suspect || !isAboutTheData(error)) throw error
        if (claimed.length === 1) await blame(ctx, job, suspect.id, error)
        limit = Math.max(1, Math.floor(claimed.length / 2))
      }
    }
  }
}

/** A hint that came while the drain ran was dropped: look once more whether anything is left. */
export function ingestAfterwards(ctx: WorkerContext) {
  return async (data: unknown, result: unknown): Promise<void> => {
    // The drain that kept this one out looks for itself when it ends.
    if ((result as Drained).busy) return
    const { workspace_id, channel_id } = channelJob.parse(data)
    const pending = await ctx.db.inWorkspace(workspace_id, trx => hasPendingEvents(trx, channel_id))
    if (pending) ctx.hints.ingest({ workspace_id, channel_id })
  }
}

async function applyBatch(
  ctx: WorkerContext,
  trx: Trx,
  channel_id: string,
  claim: (trx: Trx) => Promise<PendingEvent[]>,
): Promise<Outcome> {
  if (!(await lockChannelDrain(trx, channel_id))) return 'busy'
  const claimed = await claim(trx)
  if (claimed.length === 0) return 'empty'
  const channel = (await findChannel(trx, channel_id))!
  const batch: NormalisedEvent[] = []
  for (const row of claimed) {
    const event = normalise(ctx, channel, row)
    if (event) batch.push(event)
    else await park(ctx, trx, row, 'The payload is not of the shape its network documents.')
  }
  await applyInbound(trx, channel, batch, ctx.now())
  return 'applied'
}

/** What a connector throws is about the one event it was given: it does nothing but read it. */
class EventFailed extends Error {}

function normalise(ctx: WorkerContext, channel: Channel, row: PendingEvent): NormalisedEvent | undefined {
  const { id, payload, received_at } = row
  try {
    const event = ctx.connectorFor(channel.kind).normalise(channel, payload, received_at)
    return { inbound_event_id: id, received_at, event }
  } catch (error) {
    if (error instanceof MalformedPayload) return undefined
    throw new EventFailed(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

async function park(ctx: WorkerContext, trx: Trx, row: PendingEvent, reason: string): Promise<void> {
  await recordInboundFailure(trx, row.id, reason, true)
  const data = { inbound_event_id: row.id, reason }
  await appendEvents(trx, [{ type: 'event.parked', at: ctx.now(), actor: SYSTEM, data }])
}

/** Counts the failure of the event that stood alone in its batch. */
async function blame(ctx: WorkerContext, job: ChannelJob, inbound_event_id: string, error: unknown): Promise<void> {
  await ctx.db.inWorkspace(job.workspace_id, async trx => {
    const row = await lockPendingEvent(trx, inbound_event_id)
    if (!row) return
    const reason = error instanceof Error ? storableText(error.message).slice(0, 1000) : 'unknown'
    ctx.logger.warn({ err: error, inbound_event_id, channel_id: job.channel_id }, 'event failed')
    if (row.attempts + 1 >= MAX_ATTEMPTS) await park(ctx, trx, row, reason)
    else await recordInboundFailure(trx, row.id, reason, false)
  })
}

/** Data exceptions, constraint violations, limits that one value exceeds, and bugs of our own code. */
function isAboutTheData(error: unknown): boolean {
  const state = sqlState(error)
  if (state) return /^(22|23|54)/.test(state)
  return (
    error instanceof EventFailed ||
    error instanceof TypeError ||
    error instanceof RangeError ||
    (error instanceof Error && error.name === 'ZodError')
  )
}
