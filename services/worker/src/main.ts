import { setFlagsFromString } from 'node:v8'
import { openBlobStore } from '@parley/blob-store'
import { ConfigError, closeOnSignal, createLogger, readConfig } from '@parley/config'
import { connectorFor, createEgressFetch } from '@parley/connectors'
import { openDatabase } from '@parley/db'
import { Hints, openWakeUps, type QueueBackend } from '@parley/queue'
import type { WorkerContext } from './context.ts'
import { ConversationNumbers } from './conversation-numbers.ts'
import { beat } from './heartbeat.ts'
import { createWorkerMetrics } from './metrics.ts'
import { serveMetrics } from './metrics-server.ts'
import { startWorker } from './start.ts'

const GRACE_MS = 15_000

// How much the heap may grow before V8 tidies up. On a machine with much memory it lets it double and more; drained
// without a pause, a worker then takes 240 MB where 150 do, and is no faster.
setFlagsFromString('--heap-growing-percent=50')

async function main(): Promise<void> {
  const config = readConfig(process.env, ['DATABASE_URL', 'PARLEY_SECRET_KEY'])
  const logger = createLogger(config.LOG_LEVEL, 'worker')
  const db = openDatabase({
    url: config.DATABASE_URL,
    poolSize: 20,
    statementTimeoutMs: 60_000,
    onError: err => logger.warn({ err }, 'idle database connection lost'),
  })
  const backend: QueueBackend = config.REDIS_URL
    ? { kind: 'redis', url: config.REDIS_URL }
    : { kind: 'postgres', url: config.DATABASE_DIRECT_URL ?? config.DATABASE_URL }
  const hints = new Hints(backend, { onLost: (queue, err) => logger.warn({ queue, err }, 'hint lost') })
  const wakeUps = openWakeUps(backend)
  const metrics = createWorkerMetrics()
  const fetch = createEgressFetch(config.PARLEY_ALLOW_PRIVATE_TARGETS)
  // So much more than a file may have that it is counted, and seen to be too large, before the answer is cut off.
  const maxFileAnswer = config.PARLEY_MAX_ATTACHMENT_BYTES + 1024 ** 2
  const fetchFile = createEgressFetch(config.PARLEY_ALLOW_PRIVATE_TARGETS, undefined, maxFileAnswer)
  const ctx: WorkerContext = {
    db,
    hints,
    wakeUps,
    now: () => new Date(),
    random: Math.random,
    monotonicMs: () => performance.now(),
    conversationNumbers: new ConversationNumbers(db),
    metrics,
    logger,
    config,
    connectorFor,
    fetch,
    fetchFile,
    blobs: openBlobStore(config),
  }
  const port = config.PARLEY_WORKER_METRICS_PORT
  const server = port === undefined ? undefined : await serveMetrics(metrics.registry, { port, host: config.HOST })
  const worker = startWorker(ctx, backend, config.WORKER_QUEUES, beat)
  logger.info({ queues: config.WORKER_QUEUES }, 'working')
  closeOnSignal(logger, async () => {
    await worker.close(GRACE_MS)
    await server?.close()
    await Promise.allSettled([hints.close(), wakeUps.close()])
    await db.close()
  })
}

main().catch(error => {
  process.stderr.write(`${error instanceof ConfigError ? error.message : error.stack}\n`)
  process.exit(1)
})
