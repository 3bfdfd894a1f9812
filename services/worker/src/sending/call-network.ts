import { ChannelAuthError, type Connector, type SendOutcome, TooLate } from '@parley/connectors'
import { callDeadline, openChannel } from '@parley/core'
import type { Channel, SendAttempt } from '@parley/db'
import { connectorContext } from '../connector-context.ts'
import type { WorkerContext } from '../context.ts'
import { disableChannel } from '../disable-channel.ts'

/** A reply that the network did not let in waits for its account to be connected again. */
const REFUSED_MS = 30_000

/**
 * Makes the call that an attempt stands for. One that throws may have reached the network all the same, unless it was
 * the account that was refused.
 */
export async function callNetwork(
  ctx: WorkerContext,
  connector: Connector,
  channel: Channel,
  attempt: SendAttempt,
): Promise<SendOutcome> {
  try {
    const opened = openChannel(ctx.config.PARLEY_SECRET_KEY, channel)
    const context = connectorContext(ctx, channel, callDeadline(attempt))
    context.assertInTime()
    return await connector.send!(opened, attempt.prepared as Record<string, unknown>, context)
  } catch (error) {
    if (error instanceof ChannelAuthError) {
      await disableChannel(ctx, channel, error.message)
      return { outcome: 'retry', reason: error.message, retry_at: new Date(ctx.now().getTime() + REFUSED_MS) }
    }
    ctx.logger.warn({ err: error, channel_id: channel.id }, 'send failed without an outcome')
    const reason =
      error instanceof TooLate
        ? 'The worker was held up, and did not send it any more.'
        : 'The connection was lost before the answer came.'
    return { outcome: 'unknown', reason }
  }
}
