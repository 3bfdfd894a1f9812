import type { BlobStore } from '@parley/blob-store'
import type { Config, Logger } from '@parley/config'
import type { Database } from '@parley/db'
import type { Hints, WakeUps } from '@parley/queue'
import type { EventStreams } from './event-streams.ts'
import type { Metrics } from './metrics.ts'

/** Everything a route may use. Made once by main.ts, or by a test. */
export type ApiContext = {
  db: Database
  hints: Hints
  wakeUps: WakeUps
  streams: EventStreams
  metrics: Metrics
  now: () => Date
  /** Measures how long something takes; says nothing of the time of day. */
  monotonicMs: () => number
  logger: Logger
  config: Pick<
    Config,
    'PARLEY_ALLOW_PRIVATE_TARGETS' | 'PARLEY_LEDGER_DAYS' | 'PARLEY_MAX_ATTACHMENT_BYTES' | 'PARLEY_TRUSTED_PROXIES'
  > & { PARLEY_SECRET_KEY: Buffer }
  /** For asking a network whose account it is; guarded against private addresses. */
  fetch: typeof fetch
  blobs: BlobStore
}
