import type { Worker } from 'bullmq'
import { abandon, type JobHandler, openWorker, type QueueBackend } from './backend.ts'

/** What closing the connections may take, also when a job has used up all of the grace time. */
const CLOSE_MS = 500

export type WorkerDefinition = {
  queue: string
  concurrency: number
  handle: JobHandler
  /**
   * Runs after a job has ended well, with what it returned: a hint dropped while it ran is made good here. A job that
   * failed is left to the sweeper, or it would be repeated as fast as it fails.
   */
  afterwards?: (data: unknown, result: unknown) => Promise<void>
}

export type WorkersOptions = {
  onJobFailed: (queue: string, error: unknown) => void
  /** The connection is broken for now; BullMQ goes on trying. */
  onConnectionError: (queue: string, error: unknown) => void
}

/** Starts a worker per queue. `close` waits for running jobs, up to `graceMs`. */
export function startWorkers(backend: QueueBackend, definitions: WorkerDefinition[], options: WorkersOptions) {
  const workers = definitions.map(({ queue, concurrency, handle, afterwards }) => {
    const running = new Set<Promise<unknown>>()
    const handleAndCount: JobHandler = data => {
      const job = handle(data).finally(() => running.delete(job))
      running.add(job)
      return job
    }
    const worker = openWorker(backend, queue, handleAndCount, { concurrency })
    worker.on('error', error => options.onConnectionError(queue, error))
    worker.on('failed', (_job, error) => options.onJobFailed(queue, error))
    if (afterwards) {
      worker.on('completed', (job, result) => {
        afterwards(job.data, result).catch(error => options.onJobFailed(queue, error))
      })
    }
    return { worker, running }
  })
  return {
    close: async (graceMs: number): Promise<void> => {
      await Promise.all(workers.map(({ worker, running }) => closeWithin(worker, running, graceMs)))
    },
  }
}

/**
 * BullMQ's close waits for ever and cannot be hurried afterwards, so the waiting is done here: a job that outlives the
 * grace time is left to its ledger row, and the connections are closed under it.
 */
async function closeWithin(worker: Worker, running: Set<Promise<unknown>>, graceMs: number): Promise<void> {
  const grace = startTimer(graceMs)
  const last = startTimer(graceMs + CLOSE_MS)
  const greeting = startTimer(CLOSE_MS / 2)
  try {
    // Takes no more jobs.
    await Promise.race([worker.pause(true), grace.over])
    const ended = await Promise.race([Promise.allSettled(running).then(() => true), grace.over])
    // A connection that never came about cannot be closed in good order.
    const ready = await Promise.race([isReady(worker), greeting.over])
    const closed = worker.close(!ended || !ready)
    // With a free slot it waits for its next job, and goes on waiting when it is closed by force.
    if (!ended) await Promise.race([worker.disconnect().catch(() => {}), last.over])
    await Promise.race([closed, last.over])
    abandon(worker)
  } finally {
    for (const timer of [grace, last, greeting]) timer.clear()
  }
}

async function isReady(worker: Worker): Promise<boolean> {
  return worker.waitUntilReady().then(
    () => true,
    () => false,
  )
}

function startTimer(ms: number) {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  return { over, clear: () => clearTimeout(timer) }
}
