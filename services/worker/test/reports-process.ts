import { createLogger } from '@parley/config'
import { openDatabase } from '@parley/db'
import type { WorkerContext } from '../src/context.ts'
import { FEED_CONSUMERS } from '../src/feed/consumers.ts'
import { Feeds } from '../src/feed/feeds.ts'
import { createWorkerMetrics } from '../src/metrics.ts'

/* A process that does nothing but count for reports, a few events at a time, until it is killed. */
const db = openDatabase({ url: process.env.DATABASE_URL!, poolSize: 4 })
const ctx = {
  db,
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  logger: createLogger('silent', 'feed'),
  metrics: createWorkerMetrics(),
  wakeUps: { publish: () => {}, subscribe: () => {}, tell: () => {}, hear: () => {}, close: async () => {} },
} as unknown as WorkerContext
const reports = FEED_CONSUMERS.find(({ name }) => name === 'reports')!
const feeds = new Feeds(ctx, [{ ...reports, batch: 7 }])
for (;;) {
  await feeds.sweep()
  await feeds.tick()
  await new Promise(resolve => setTimeout(resolve, 20))
}
