import type { BlobStore } from '@parley/blob-store'
import type { Config, Logger } from '@parley/config'
import type { Connector } from '@parley/connectors'
import type { Database } from '@parley/db'
import type { Hints, WakeUps } from '@parley/queue'
import type { ConversationNumbers } from './conversation-numbers.ts'
import type { WorkerMetrics } from './metrics.ts'

/** Everything a processor may use. Made once by main.ts, or by a test. */
export type WorkerContext = {
  db: Database
  hints: Hints
  wakeUps: WakeUps
  now: () => Date
  /** From 0 to 1, for pauses that are not to end together. */
  random: () => number
  /** For measuring how long something takes: never set back. */
  monotonicMs: () => number
  conversationNumbers: ConversationNumbers
  metrics: WorkerMetrics
  logger: Logger
  config: Pick<Config, 'PARLEY_ALLOW_PRIVATE_TARGETS' | 'PARLEY_LEDGER_DAYS' | 'PARLEY_MAX_ATTACHMENT_BYTES'> & {
    PARLEY_SECRET_KEY: Buffer
  }
  connectorFor: (kind: string) => Connector
  fetch: typeof fetch
  /** For files of messages: guarded in the same way, and takes answers as large as those may be. */
  fetchFile: typeof fetch
  blobs: BlobStore
}
