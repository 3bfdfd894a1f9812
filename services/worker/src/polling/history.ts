import { ChannelAuthError, type HistoryPage, NetworkUnavailable } from '@parley/connectors'
import { acceptInbound, finishBackfill, ledgerEntries } from '@parley/core'
import { type Backfill, lockRunningBackfill, updateBackfill, updateChannel } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import type { WorkerContext } from '../context.ts'
import { backOff } from './pace.ts'
import { beforeCall, callNetwork, inTurn, type Turn, TurnLost } from './turn.ts'

/** Turns with history in them come this often, however rarely the channel is polled. */
const PAUSE_MS = 15_000
/** In a row: about two hours, as the pauses between them grow. */
const MAX_FAILURES = 12
const MAX_PAGES = 50_000
/** Where the network does not take its cursor any more, the way back costs as many pages as it took the first time. */
const MAX_STALLED = 1_000

/**
 * Reads the next pages of a running backfill, a bounded number of them. Each is stored together with the place behind
 * it. A failure here is the backfill's own, unless the network lets us in no more or asks for quiet.
 * @throws ChannelAuthError, TurnLost
 */
export async function readHistory(ctx: WorkerContext, turn: Turn): Promise<number> {
  const { backfill } = turn
  if (!backfill || backfill.next_page_at > ctx.now()) return 0
  let accepted = 0
  try {
    for (let pages = 0; pages < turn.limits.historyPages; pages += 1) {
      const stored = await readPage(ctx, turn, backfill)
      accepted += stored.accepted
      if (!stored.more) break
    }
  } catch (error) {
    if (error instanceof ChannelAuthError || error instanceof TurnLost) throw error
    ctx.logger.warn({ err: error, channel_id: turn.channel.id, backfill_id: backfill.id }, 'backfill failed')
    await recordFailure(ctx, turn, error)
  }
  return accepted
}

async function readPage(ctx: WorkerContext, turn: Turn, { id, since }: Backfill) {
  const { workspace_id, id: channel_id } = turn.channel
  const ended = { accepted: 0, more: false }
  const channel = await beforeCall(ctx, turn)
  const found = channel && (await inTurn(ctx, turn, trx => lockRunningBackfill(trx, channel_id)))
  if (!channel || found?.id !== id) return ended
  const cursor = found.cursor as Record<string, unknown> | null
  const page = await callNetwork(ctx, turn, channel, (connector, opened, context) =>
    connector.readHistory!(opened, since, cursor, context),
  )
  const stored = await inTurn(ctx, turn, async trx => {
    const running = await lockRunningBackfill(trx, channel_id)
    // Cancelled while the network was asked: what it answered is not wanted any more.
    if (running?.id !== id) return ended
    const { accepted } = await acceptInbound(trx, ledgerEntries(channel_id, page.events, 'backfill', ctx.now()))
    const progress = progressOf(running, page, accepted, ctx.now())
    const updated = await updateBackfill(trx, id, progress)
    const end = endOf(updated, page)
    if (end) await finishBackfill(trx, updated, end, SYSTEM, ctx.now())
    return { accepted, more: !end }
  })
  if (stored.accepted > 0) ctx.hints.ingest({ workspace_id, channel_id })
  return stored
}

function progressOf(before: Backfill, page: HistoryPage, accepted: number, now: Date) {
  const older = page.oldest_at !== null && (before.oldest_at === null || page.oldest_at < before.oldest_at)
  return {
    cursor: page.cursor && JSON.stringify(page.cursor),
    pages: before.pages + 1,
    events: before.events + accepted,
    oldest_at: older ? page.oldest_at : before.oldest_at,
    stalled_pages: older ? 0 : before.stalled_pages + 1,
    failures: 0,
    reason: null,
    next_page_at: new Date(now.getTime() + PAUSE_MS),
  }
}

function endOf({ pages, stalled_pages }: Backfill, page: HistoryPage) {
  if (page.cursor === null) return { state: 'done' as const, reason: null }
  const stuck = pages >= MAX_PAGES || stalled_pages > MAX_STALLED + (pages - stalled_pages)
  return stuck ? { state: 'failed' as const, reason: "The network's history does not end." } : undefined
}

async function recordFailure(ctx: WorkerContext, turn: Turn, error: unknown): Promise<void> {
  const known = error instanceof NetworkUnavailable
  const reason = known ? error.message : 'The last page could not be read.'
  await inTurn(ctx, turn, async (trx, channel) => {
    const now = ctx.now()
    if (known && error.retry_at)
      await updateChannel(trx, channel.id, { resume_at: later(channel.resume_at, error.retry_at) })
    const running = await lockRunningBackfill(trx, channel.id)
    if (!running) return
    const failures = running.failures + 1
    const updated = await updateBackfill(trx, running.id, { failures, reason, next_page_at: backOff(now, failures) })
    if (failures >= MAX_FAILURES) await finishBackfill(trx, updated, { state: 'failed', reason }, SYSTEM, now)
  })
}

const later = (a: Date | null, b: Date) => (a && a > b ? a : b)
