import { createLogger } from '@parley/config'
import { listRunningBatches, openDatabase } from '@parley/db'
import type { WorkerContext } from '../src/context.ts'
import { batches } from '../src/processors/batches.ts'

/** A process that does nothing but go through batches of messages, until it is killed. Few imports: it is started often. */
const db = openDatabase({ url: process.env.DATABASE_URL!, poolSize: 4 })
const nothing = () => {}
const ctx = {
  db,
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  logger: createLogger('silent', 'worker'),
  hints: { send: nothing, batch: nothing },
  wakeUps: { publish: nothing },
  connectorFor: () => ({ capabilities: () => ({ actions: ['like'] }) }),
} as unknown as WorkerContext
const work = batches(ctx)
for (;;) {
  const soon = new Date(Date.now() + 60_000)
  for (const job of await db.asSystem(trx => listRunningBatches(trx, soon, 10))) await work(job)
  await new Promise(resolve => setTimeout(resolve, 20))
}
