import type { Config } from '@parley/config'
import { type QueueBackend, startWorkers, type WorkerDefinition } from '@parley/queue'
import type { WorkerContext } from './context.ts'
import { FEED_CONSUMERS } from './feed/consumers.ts'
import { Feeds } from './feed/feeds.ts'
import { Listeners } from './listening/listeners.ts'
import { type Loop, startLoops } from './loops.ts'
import { fetchAttachments, fetchAttachmentsAfterwards } from './processors/attachments.ts'
import { batches, batchesAfterwards } from './processors/batches.ts'
import { collectBlobs } from './processors/blobs.ts'
import { eraseContacts } from './processors/erasures.ts'
import { exportContacts } from './processors/exports.ts'
import { addUpCounts, cleanUp, endClaims, keepPartitions, sweep, wakeUp } from './processors/housekeeping.ts'
import { ingest, ingestAfterwards } from './processors/ingest.ts'
import { poll } from './processors/poll.ts'
import { routeWaiting } from './processors/routing.ts'
import { send } from './processors/send.ts'
import { slaTick } from './processors/sla.ts'
import { selfCheckClocks } from './processors/sla-self-check.ts'
import { tellOfDueTasks } from './processors/tasks.ts'

const HOUR_MS = 3_600_000
/** What no wake-up told of waits so long. */
const FEED_SWEEP_MS = 10_000

/** Starts what `WORKER_QUEUES` asks for. `close` lets running work end, up to `graceMs`. */
export function startWorker(
  ctx: WorkerContext,
  backend: QueueBackend,
  queues: Config['WORKER_QUEUES'],
  beat: () => Promise<void>,
) {
  const definitions: WorkerDefinition[] = [
    { queue: 'ingest', concurrency: 4, handle: ingest(ctx), afterwards: ingestAfterwards(ctx) },
    { queue: 'poll', concurrency: 16, handle: poll(ctx) },
    { queue: 'send', concurrency: 8, handle: send(ctx) },
    {
      queue: 'attachments',
      concurrency: 8,
      handle: fetchAttachments(ctx),
      afterwards: fetchAttachmentsAfterwards(ctx),
    },
    { queue: 'batches', concurrency: 2, handle: batches(ctx), afterwards: batchesAfterwards(ctx) },
  ]
  const listeners = new Listeners(ctx)
  const feeds = new Feeds(ctx, FEED_CONSUMERS)
  if (queues.includes('feed')) feeds.listen()
  const loops: (Loop & { queue: string })[] = [
    { queue: 'poll', name: 'listening', everyMs: 2_000, run: () => listeners.round() },
    // Half of what a breach may take to be noticed, with what the round itself takes.
    { queue: 'sla', name: 'sla', everyMs: 500, run: slaTick(ctx) },
    { queue: 'feed', name: 'feed', everyMs: 1_000, run: () => feeds.tick() },
    { queue: 'feed', name: 'feed-sweep', everyMs: FEED_SWEEP_MS, run: () => feeds.sweep() },
    { queue: 'housekeeping', name: 'sweep', everyMs: 2_000, run: sweep(ctx) },
    { queue: 'housekeeping', name: 'wake-up', everyMs: 1_000, run: wakeUp(ctx) },
    { queue: 'housekeeping', name: 'claims', everyMs: 1_000, run: endClaims(ctx) },
    { queue: 'housekeeping', name: 'routing', everyMs: 1_000, run: routeWaiting(ctx) },
    { queue: 'housekeeping', name: 'tasks', everyMs: 1_000, run: tellOfDueTasks(ctx) },
    { queue: 'housekeeping', name: 'counts', everyMs: 10_000, run: addUpCounts(ctx) },
    { queue: 'housekeeping', name: 'erasures', everyMs: 2_000, run: eraseContacts(ctx) },
    { queue: 'housekeeping', name: 'exports', everyMs: 2_000, run: exportContacts(ctx) },
    { queue: 'housekeeping', name: 'clean-up', everyMs: HOUR_MS, run: cleanUp(ctx) },
    { queue: 'housekeeping', name: 'sla-self-check', everyMs: 60_000, run: selfCheckClocks(ctx) },
    { queue: 'housekeeping', name: 'blobs', everyMs: HOUR_MS, run: collectBlobs(ctx) },
    { queue: 'housekeeping', name: 'partitions', everyMs: HOUR_MS, run: keepPartitions(ctx) },
    // Whatever the queues, every worker shows that its database answers.
    {
      queue: queues[0]!,
      name: 'heartbeat',
      everyMs: 5_000,
      run: async () => {
        await ctx.db.pool.query('select 1')
        await beat()
      },
    },
  ]
  const wanted = <T extends { queue: string }>(all: T[]) => all.filter(({ queue }) => queues.includes(queue as never))
  const workers = startWorkers(backend, wanted(definitions), {
    onJobFailed: (queue, err) => ctx.logger.error({ queue, err }, 'job failed'),
    onConnectionError: (queue, err) => ctx.logger.warn({ queue, err }, 'queue connection'),
  })
  const running = startLoops(wanted(loops), (loop, err) => ctx.logger.warn({ loop, err }, 'loop failed'))
  return {
    close: async (graceMs: number): Promise<void> => {
      await Promise.all([
        workers.close(graceMs),
        running.close().then(() => Promise.all([listeners.close(), feeds.close()])),
      ])
    },
  }
}
