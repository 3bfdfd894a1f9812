import { createLogger } from '@parley/config'
import { openDatabase } from '@parley/db'
import type { WorkerContext } from '../src/context.ts'
import { FEED_CONSUMERS } from '../src/feed/consumers.ts'
import { Feeds } from '../src/feed/feeds.ts'
import { createWorkerMetrics } from '../src/metrics.ts'

/** A process that does nothing but apply rules and notify people, until it is killed. Hints get lost with it. */
const db = openDatabase({ url: process.env.DATABASE_URL!, poolSize: 4 })
const nothing = () => {}
const ctx = {
  db,
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  logger: createLogger('silent', 'worker'),
  metrics: createWorkerMetrics(),
  hints: { send: nothing },
  wakeUps: { publish: nothing },
  connectorFor: () => ({ capabilities: () => ({ actions: ['hide'] }) }),
} as unknown as WorkerContext
const batch = Number(process.env.PAGE)
const consumers = FEED_CONSUMERS.filter(({ name }) => name === 'rules' || name === 'notifications')
const feeds = new Feeds(
  ctx,
  consumers.map(consumer => ({ ...consumer, batch })),
)
for (;;) {
  await feeds.sweep()
  await feeds.tick()
  await new Promise(resolve => setTimeout(resolve, 20))
}
