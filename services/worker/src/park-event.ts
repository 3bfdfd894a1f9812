import type { IngestJob } from '@parley/contracts'
import { storableText } from '@parley/core'
import { appendEvents, countInboundFailure, type PendingEvent, parkInboundEvent, sqlState, type Trx } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import type { WorkerContext } from './context.ts'

/** How often an event may fail by itself before it is parked for a person. */
const MAX_ATTEMPTS = 3
const MAX_REASON_LENGTH = 1_000

/** What a connector throws is about the one event it was given: it does nothing but read it. */
export class EventFailed extends Error {}

/** Sets an event aside until a person looks at it. */
export async function parkEvent(
  ctx: WorkerContext,
  trx: Trx,
  channel_id: string,
  { id, lane }: PendingEvent,
  reason: string,
): Promise<void> {
  await parkInboundEvent(trx, { id, lane, channel_id }, reason)
  const data = { inbound_event_id: id, channel_id, reason }
  await appendEvents(trx, [{ type: 'event.parked', at: ctx.now(), actor: SYSTEM, data }])
}

/**
 * Counts the failure of an event that stood alone in its batch, in a transaction of its own: only what was seen to fail
 * counts, so the death of a worker uses up no attempt.
 */
export async function blameEvent(
  ctx: WorkerContext,
  { workspace_id, channel_id }: IngestJob,
  event: PendingEvent,
  error: unknown,
): Promise<void> {
  const reason = error instanceof Error ? storableText(error.message).slice(0, MAX_REASON_LENGTH) : 'unknown'
  ctx.logger.warn({ err: error, inbound_event_id: event.id, channel_id }, 'event failed')
  const parked = await ctx.db.inWorkspace(workspace_id, async trx => {
    const attempts = await countInboundFailure(trx, { ...event, channel_id }, reason)
    if (attempts === undefined || attempts < MAX_ATTEMPTS) return false
    await parkEvent(ctx, trx, channel_id, event, reason)
    return true
  })
  if (parked) ctx.metrics.countParked()
}

/** Data exceptions, constraint violations, limits that one value exceeds, and bugs of our own code. */
export function isAboutTheData(error: unknown): boolean {
  const state = sqlState(error)
  if (state) return /^(22|23|54)/.test(state)
  return (
    error instanceof EventFailed ||
    error instanceof TypeError ||
    error instanceof RangeError ||
    (error instanceof Error && error.name === 'ZodError')
  )
}
