import { ChannelAuthError, NetworkUnavailable } from '@parley/connectors'
import { channelJob } from '@parley/contracts'
import { acceptInbound, openChannel } from '@parley/core'
import { appendEvents, type Channel, findChannel, takePollTurn, updateChannel } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { connectorContext, type WorkerContext } from '../context.ts'
import { disableChannel } from '../disable-channel.ts'

const INTERVAL_MS = 15_000
const MAX_BACKOFF_MS = 15 * 60_000
/** A turn ends by itself after this; its worker must be done before. */
const TURN_MS = 120_000
const CALL_TIMEOUT_MS = 60_000
const MAX_PAGES = 20
const DEGRADED_AFTER = 3

/** Reads what a network has for one channel. Each page is stored together with the cursor that moved past it. */
export function poll(ctx: WorkerContext) {
  return async (data: unknown): Promise<number> => {
    const { workspace_id, channel_id } = channelJob.parse(data)
    const start = ctx.now()
    const until = new Date(start.getTime() + TURN_MS)
    const channel = await ctx.db.inWorkspace(workspace_id, trx => takePollTurn(trx, channel_id, start, until))
    const connector = channel && ctx.connectorFor(channel.kind)
    if (!channel || !connector?.poll) return 0
    try {
      const accepted = await readPages(ctx, channel)
      const next_poll_at = new Date(ctx.now().getTime() + jittered(INTERVAL_MS))
      const change = { next_poll_at, poll_failures: 0, status_reason: null }
      await ctx.db.inWorkspace(workspace_id, trx => updateChannel(trx, channel_id, change))
      return accepted
    } catch (error) {
      await recordFailure(ctx, channel, error)
      return 0
    }
  }
}

async function readPages(ctx: WorkerContext, channel: Channel): Promise<number> {
  const { workspace_id, id: channel_id } = channel
  const connector = ctx.connectorFor(channel.kind)
  let cursor = channel.cursor as Record<string, unknown> | null
  let total = 0
  const context = connectorContext(ctx, channel, CALL_TIMEOUT_MS)
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    // Read anew: the page before may have rotated the session's tokens.
    const current = (await ctx.db.inWorkspace(workspace_id, trx => findChannel(trx, channel_id)))!
    const page = await connector.poll!(openChannel(ctx.config.PARLEY_SECRET_KEY, current), cursor, context)
    const { accepted } = await ctx.db.inWorkspace(workspace_id, async trx => {
      const stored = await acceptInbound(trx, channel_id, page.events, ctx.now())
      await updateChannel(trx, channel_id, { cursor: JSON.stringify(page.cursor) })
      return stored
    })
    if (accepted > 0) ctx.hints.ingest({ workspace_id, channel_id })
    total += accepted
    cursor = page.cursor
    if (!page.more) break
  }
  return total
}

async function recordFailure(ctx: WorkerContext, channel: Channel, error: unknown): Promise<void> {
  ctx.logger.warn({ err: error, channel_id: channel.id }, 'poll failed')
  if (error instanceof ChannelAuthError) return disableChannel(ctx, channel, error.message)
  const poll_failures = channel.poll_failures + 1
  const backoff = ctx.now().getTime() + jittered(Math.min(INTERVAL_MS * 2 ** poll_failures, MAX_BACKOFF_MS))
  const asked = error instanceof NetworkUnavailable ? (error.retry_at?.getTime() ?? 0) : 0
  const reason = error instanceof NetworkUnavailable ? error.message : 'The last poll failed.'
  await ctx.db.inWorkspace(channel.workspace_id, async trx => {
    const next_poll_at = new Date(Math.max(backoff, asked))
    await updateChannel(trx, channel.id, { poll_failures, next_poll_at, status_reason: reason })
    if (poll_failures !== DEGRADED_AFTER) return
    const data = { channel_id: channel.id, reason }
    await appendEvents(trx, [{ type: 'channel.degraded', at: ctx.now(), actor: SYSTEM, data }])
  })
}

/** Up to a fifth longer, so that channels that failed together do not come back together. */
function jittered(ms: number): number {
  return ms * (1 + Math.random() / 5)
}
