import { ChannelAuthError, NetworkUnavailable } from '@parley/connectors'
import { appendEvents, type Channel, endPollTurn, findRunningBackfill } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import type { WorkerContext } from '../context.ts'
import { disableChannel } from '../disable-channel.ts'
import type { HeadRead } from './head.ts'
import { afterWindow, backOff, nextRound } from './pace.ts'
import { inTurn, type Turn } from './turn.ts'

const DEGRADED_AFTER = 3

/** Ends a turn that went well. `head` is missing where only history was due. */
export async function endTurn(ctx: WorkerContext, turn: Turn, head: HeadRead | undefined): Promise<void> {
  const recovered = await inTurn(ctx, turn, async (trx, channel) => {
    const now = ctx.now()
    const backfill = await findRunningBackfill(trx, channel.id)
    const head_due_at = headDueAt(channel, head, now)
    const next_poll_at = backfill && backfill.next_page_at < head_due_at ? backfill.next_page_at : head_due_at
    const quiet = channel.resume_at && channel.resume_at > now ? channel.resume_at : null
    const times = { head_due_at, next_poll_at: quiet ? latest(next_poll_at, afterWindow(now, quiet)) : next_poll_at }
    if (!head) {
      await endPollTurn(trx, channel.id, times)
      return false
    }
    const change = { ...times, polled_at: now, poll_failures: 0, status_reason: null, resume_at: quiet }
    await endPollTurn(trx, channel.id, change)
    if (channel.poll_failures < DEGRADED_AFTER) return false
    const data = { channel_id: channel.id }
    await appendEvents(trx, [{ type: 'channel.recovered', at: now, actor: SYSTEM, data }])
    return true
  })
  if (recovered || turn.backfill) ctx.wakeUps.publish(turn.channel.workspace_id)
}

function headDueAt(channel: Channel, head: HeadRead | undefined, now: Date): Date {
  if (!head) return channel.head_due_at ?? now
  // Others get their turn before it goes on, and nobody waits for a round.
  return head.more ? now : nextRound(now, channel.poll_seconds)
}

/** Ends a turn in which the network could not be read: it is tried again ever later, and never before it said. */
export async function failTurn(ctx: WorkerContext, turn: Turn, error: unknown): Promise<void> {
  ctx.logger.warn({ err: error, channel_id: turn.channel.id }, 'poll failed')
  if (error instanceof ChannelAuthError) return disableChannel(ctx, turn.channel, error.message)
  const known = error instanceof NetworkUnavailable
  const reason = known ? error.message : 'The last poll failed.'
  const degraded = await inTurn(ctx, turn, async (trx, channel) => {
    const now = ctx.now()
    const poll_failures = channel.poll_failures + 1
    const asked = latest(known ? error.retry_at : null, channel.resume_at)
    const resume_at = asked && asked > now ? asked : null
    const next = backOff(now, poll_failures)
    const next_poll_at = resume_at ? latest(next, afterWindow(now, resume_at)) : next
    const change = { poll_failures, next_poll_at, resume_at, head_due_at: null, status_reason: reason }
    await endPollTurn(trx, channel.id, change)
    if (poll_failures !== DEGRADED_AFTER) return false
    const data = { channel_id: channel.id, reason }
    await appendEvents(trx, [{ type: 'channel.degraded', at: now, actor: SYSTEM, data }])
    return true
  })
  if (degraded) ctx.wakeUps.publish(turn.channel.workspace_id)
}

function latest(a: Date, b: Date | null): Date
function latest(a: Date | null, b: Date | null): Date | null
function latest(a: Date | null, b: Date | null): Date | null {
  if (!a || !b) return a ?? b
  return a > b ? a : b
}
