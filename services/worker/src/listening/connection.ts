import { type Connector, NetworkUnavailable } from '@parley/connectors'
import { openChannel } from '@parley/core'
import type { Channel } from '@parley/db'
import { connectorContext } from '../connector-context.ts'
import type { WorkerContext } from '../context.ts'
import { newsOf } from './news.ts'

/** No connection is kept for longer: a channel that was changed meanwhile is read anew. */
const LONGEST_MS = 3_600_000
/** What lasts this long was a good connection, however it ended. */
const STEADY_MS = 60_000
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 5 * 60_000

/** When a channel may be tried again whose connection ended, and how many in a row came to nothing. */
export type Ended = { failures: number; retry_at: Date }

/** Listens to one channel until its connection ends, or `signal` aborts; then it is undefined. Never throws. */
export async function listenTo(
  ctx: WorkerContext,
  channel: Channel,
  failures: number,
  signal: AbortSignal,
): Promise<Ended | undefined> {
  const { workspace_id, id: channel_id } = channel
  const base = connectorContext(ctx, channel, new Date(ctx.now().getTime() + LONGEST_MS))
  const context = { ...base, signal: AbortSignal.any([base.signal, signal]) }
  const onNews = newsOf(ctx, { workspace_id, channel_id }, signal)
  const startedMs = ctx.monotonicMs()
  let error: unknown
  try {
    const opened = openChannel(ctx.config.PARLEY_SECRET_KEY, channel)
    const listening = listen(ctx.connectorFor(channel.kind), opened, context, onNews)
    await Promise.race([listening, aborted(context.signal)])
  } catch (reason) {
    error = reason
  }
  if (signal.aborted) return undefined
  const steady = ctx.monotonicMs() - startedMs >= STEADY_MS
  const inARow = steady ? 0 : failures + 1
  if (error && !base.signal.aborted) ctx.logger.info({ err: error, channel_id }, 'listening ended')
  const asked = error instanceof NetworkUnavailable ? error.retry_at : null
  const next = nextTry(ctx.now(), inARow)
  return { failures: inARow, retry_at: asked && asked > next ? asked : next }
}

async function listen(
  connector: Connector,
  opened: ReturnType<typeof openChannel>,
  context: ReturnType<typeof connectorContext>,
  onNews: () => void,
): Promise<void> {
  await connector.listen!(opened, context, onNews)
}

/** Ever later, and never together with those whose connections broke at the same moment. */
function nextTry(now: Date, failures: number): Date {
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS)
  return new Date(now.getTime() + pause * (0.5 + Math.random()))
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
