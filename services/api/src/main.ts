import { openBlobStore } from '@parley/blob-store'
import { ConfigError, closeOnSignal, createLogger, readConfig } from '@parley/config'
import { createEgressFetch } from '@parley/connectors'
import { openDatabase } from '@parley/db'
import { Hints, openWakeUps, type QueueBackend } from '@parley/queue'
import { buildApp } from './app.ts'
import { createEventStreams } from './event-streams.ts'
import { createMetrics } from './metrics.ts'

async function main(): Promise<void> {
  const config = readConfig(process.env, ['DATABASE_URL', 'PARLEY_SECRET_KEY'])
  const logger = createLogger(config.LOG_LEVEL, 'api')
  const now = () => new Date()
  const metrics = createMetrics()
  const db = openDatabase({
    url: config.DATABASE_URL,
    replicaUrl: config.DATABASE_REPLICA_URL,
    poolSize: 20,
    onError: err => logger.warn({ err }, 'idle database connection lost'),
  })
  const backend: QueueBackend = config.REDIS_URL
    ? { kind: 'redis', url: config.REDIS_URL }
    : { kind: 'postgres', url: config.DATABASE_DIRECT_URL ?? config.DATABASE_URL }
  const hints = new Hints(backend, {
    onLost: (queue, err) => {
      metrics.hintsLost.inc({ queue })
      logger.warn({ queue, err }, 'hint lost')
    },
  })
  const wakeUps = openWakeUps(backend)
  const streams = createEventStreams({
    db,
    wakeUps,
    now,
    onError: err => logger.warn({ err }, 'event stream could not read'),
  })
  const fetch = createEgressFetch(config.PARLEY_ALLOW_PRIVATE_TARGETS)
  const blobs = openBlobStore(config)
  const monotonicMs = () => performance.now()
  const app = await buildApp({ db, hints, wakeUps, streams, metrics, now, monotonicMs, logger, config, fetch, blobs })
  const address = await app.listen({ port: config.PORT, host: config.HOST, listenTextResolver: () => 'bound' })
  logger.info({ address }, 'listening')
  closeOnSignal(logger, async () => {
    streams.close()
    await app.close()
    await Promise.allSettled([hints.close(), wakeUps.close()])
    await db.close()
  })
}

main().catch(error => {
  const known = error instanceof ConfigError || error?.code === 'EADDRINUSE' || error?.code === 'EACCES'
  process.stderr.write(`${known ? error.message : error.stack}\n`)
  process.exit(1)
})
