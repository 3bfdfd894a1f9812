import type { Config, Logger } from '@parley/config'
import type { Connector, ConnectorContext } from '@parley/connectors'
import { channelContext, seal } from '@parley/core'
import { type Channel, type Database, updateChannel } from '@parley/db'
import type { Hints, WakeUps } from '@parley/queue'
import type { ConversationNumbers } from './conversation-numbers.ts'
import type { WorkerMetrics } from './metrics.ts'

/** Everything a processor may use. Made once by main.ts, or by a test. */
export type WorkerContext = {
  db: Database
  hints: Hints
  wakeUps: WakeUps
  now: () => Date
  /** For measuring how long something takes: never set back. */
  monotonicMs: () => number
  conversationNumbers: ConversationNumbers
  metrics: WorkerMetrics
  logger: Logger
  config: Pick<Config, 'PARLEY_ALLOW_PRIVATE_TARGETS' | 'PARLEY_LEDGER_DAYS'> & { PARLEY_SECRET_KEY: Buffer }
  connectorFor: (kind: string) => Connector
  fetch: typeof fetch
}

/** What a connector may use while it works on a channel, for at most `timeoutMs`. */
export function connectorContext(ctx: WorkerContext, channel: Channel, timeoutMs: number): ConnectorContext {
  const { PARLEY_SECRET_KEY } = ctx.config
  return {
    now: ctx.now,
    signal: AbortSignal.timeout(timeoutMs),
    fetch: ctx.fetch,
    saveSession: async session => {
      const session_sealed = seal(PARLEY_SECRET_KEY, channelContext(channel), session)
      await ctx.db.inWorkspace(channel.workspace_id, trx => updateChannel(trx, channel.id, { session_sealed }))
    },
  }
}
