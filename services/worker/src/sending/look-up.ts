import type { Connector, FindSentOutcome } from '@parley/connectors'
import { callDeadline, openChannel, type SendTask } from '@parley/core'
import type { Channel, SendAttempt } from '@parley/db'
import { connectorContext } from '../connector-context.ts'
import type { WorkerContext } from '../context.ts'
import { callNetwork } from './call-network.ts'
import { finish } from './finish.ts'

/** Shorter than any network is known to keep a key in a header: Mastodon keeps it for an hour. */
const HEADER_KEY_MS = 50 * 60_000

/** Asks the network about an earlier call. Where a repeat is the same post, a reply it does not have is sent again. */
export async function lookUp(ctx: WorkerContext, task: Extract<SendTask, { task: 'look_up' }>): Promise<string> {
  const { channel, attempt, distrusted } = task
  const connector = ctx.connectorFor(channel.kind)
  const canBeAsked = connector.findSent !== undefined
  const found = await findSent(ctx, connector, channel, attempt)
  if (found.outcome !== 'not_found') return finish(ctx, channel, attempt, found, canBeAsked)
  if (distrusted) {
    const reason =
      'It was queued before this database was restored, and the network does not show it. Send it again, or leave it.'
    return finish(ctx, channel, attempt, { outcome: 'unknown', reason }, false)
  }
  if (mayRepeat(ctx, connector, channel, attempt)) {
    return finish(ctx, channel, attempt, await callNetwork(ctx, connector, channel, attempt), canBeAsked)
  }
  const reason = 'The network does not show it; whether it was refused is not known.'
  return finish(ctx, channel, attempt, { outcome: 'unknown', reason }, canBeAsked)
}

function mayRepeat(ctx: WorkerContext, connector: Connector, channel: Channel, attempt: SendAttempt): boolean {
  const { idempotency } = connector.capabilities(openChannel(ctx.config.PARLEY_SECRET_KEY, channel))
  if (idempotency === 'chosen_key') return true
  return idempotency === 'header_key' && ctx.now().getTime() - attempt.started_at.getTime() < HEADER_KEY_MS
}

async function findSent(
  ctx: WorkerContext,
  connector: Connector,
  channel: Channel,
  attempt: SendAttempt,
): Promise<FindSentOutcome> {
  if (!connector.findSent)
    return { outcome: 'unknown', reason: 'The answer was lost, and this network cannot be asked.' }
  try {
    const opened = openChannel(ctx.config.PARLEY_SECRET_KEY, channel)
    const context = connectorContext(ctx, channel, callDeadline(attempt))
    return await connector.findSent(opened, attempt.prepared as Record<string, unknown>, context)
  } catch (error) {
    ctx.logger.warn({ err: error, channel_id: channel.id }, 'look-up failed')
    return { outcome: 'unknown', reason: 'The network could not be asked.' }
  }
}
