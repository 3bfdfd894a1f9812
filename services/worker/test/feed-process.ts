import { createLogger } from '@parley/config'
import { openDatabase } from '@parley/db'
import { sql } from 'kysely'
import type { WorkerContext } from '../src/context.ts'
import { Feeds } from '../src/feed/feeds.ts'
import { createWorkerMetrics } from '../src/metrics.ts'

/*
 * A process that does nothing but follow the log, until it is killed: it writes down every event it is given. The table
 * takes the same event twice, so that a test can see whether that happens.
 */
const db = openDatabase({ url: process.env.DATABASE_URL!, poolSize: 4 })
const ctx = {
  db,
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  logger: createLogger('silent', 'feed'),
  metrics: createWorkerMetrics(),
  wakeUps: { publish: () => {}, subscribe: () => {}, tell: () => {}, hear: () => {}, close: async () => {} },
} as unknown as WorkerContext
const feeds = new Feeds(ctx, [
  {
    name: 'writer',
    from: 'beginning',
    batch: 7,
    pace: 'at_once',
    handle: async (trx, events) => {
      for (const { id, xact, seq } of events) {
        await sql`insert into handled (event_id, xact, seq) values (${id}, ${xact}::xid8, ${seq})`.execute(trx)
      }
      return false
    },
  },
])
for (;;) {
  await feeds.sweep()
  await feeds.tick()
  await new Promise(resolve => setTimeout(resolve, 20))
}
