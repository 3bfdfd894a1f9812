import { setTimeout as delay } from 'node:timers/promises'
import type { BatchJob, ChannelJob, IngestJob, SendJob } from '@parley/contracts'
import type { Queue } from 'bullmq'
import { abandon, openQueue, type QueueBackend } from './backend.ts'
import { withDeadline } from './deadline.ts'

/** How long a hint may take before it is given up; the sweeper then does its work. */
const DEADLINE_MS = 2_000
const CLOSE_MS = 2_000
const LAND_MS = 500
/** Between two hints about the same subject: a job costs Redis as much as a row costs Postgres. */
const DISTANCE_MS = 10

/** `again`: there is something that no hint has told yet. */
type Flight = { again: boolean; landed: Promise<void> }

type HintQueue = 'ingest' | 'poll' | 'send' | 'attachments' | 'batches'
type HintJob = IngestJob | SendJob | BatchJob

type Deduplication = { prefix: string; expiry: { ttl?: number } }
/** While one waits or runs, others are dropped. */
const ONE_AT_A_TIME: Deduplication = { prefix: '', expiry: {} }
/** A key left over by an outage would keep all later ones out for ever; this one runs out. */
const REPEATED: Deduplication = { prefix: 'again-', expiry: { ttl: 10_000 } }

export type QueueDepth = { queue: string; state: string; jobs: number }
const DEPTH_STATES = ['waiting', 'prioritized', 'active', 'delayed', 'failed'] as const
/** Behind whatever has no priority: what somebody does to one message does not wait for thousands. */
const BEHIND = { priority: 1 }

export type HintsOptions = {
  /** Called for each hint that got lost. Losing one costs seconds, never a message. */
  onLost: (queue: HintQueue, error: unknown) => void
}

/**
 * Tells workers to look. Every method returns at once, never throws and is never waited for: the fact is committed in
 * Postgres before, and the sweeper finds it if the hint gets lost.
 */
export class Hints {
  readonly #queues: Record<HintQueue, Queue>
  readonly #options: HintsOptions
  readonly #flights = new Map<string, Flight>()

  constructor(backend: QueueBackend, options: HintsOptions) {
    this.#options = options
    this.#queues = {
      ingest: openQueue(backend, 'ingest'),
      poll: openQueue(backend, 'poll'),
      send: openQueue(backend, 'send'),
      attachments: openQueue(backend, 'attachments'),
      batches: openQueue(backend, 'batches'),
    }
    // A connection says that it is broken whenever it tries again; what is lost by that, the hints themselves tell.
    for (const queue of Object.values(this.#queues)) queue.on('error', () => {})
  }

  /** The channel's ledger has undone events. */
  ingest(job: IngestJob): void {
    this.#hint('ingest', [job.channel_id, ...(job.lanes ?? [])].join('-'), job, ONE_AT_A_TIME)
  }

  /** The channel's network may be asked again. */
  poll(job: ChannelJob): void {
    this.#hint('poll', job.channel_id, job, ONE_AT_A_TIME)
  }

  /** A reply is to be sent or looked up, an action to be done; those of batches and rules stand behind all others. */
  send(job: SendJob): void {
    this.#hint('send', subjectOf(job), job, ONE_AT_A_TIME)
  }

  /** The channel's messages have files to be fetched. */
  attachments(job: ChannelJob): void {
    this.#hint('attachments', job.channel_id, job, ONE_AT_A_TIME)
  }

  /** A batch of messages is to be gone through. */
  batch(job: BatchJob): void {
    this.#hint('batches', subjectOf(job), job, ONE_AT_A_TIME)
  }

  /** Like the five above, for the sweeper: it does not believe that a hint which stands in the queue will run. */
  repeat(queue: 'ingest' | 'poll' | 'attachments', job: ChannelJob): void
  repeat(queue: 'send', job: SendJob): void
  repeat(queue: 'batches', job: BatchJob): void
  repeat(queue: HintQueue, job: ChannelJob | SendJob | BatchJob): void {
    this.#hint(queue, subjectOf(job), job, REPEATED)
  }

  /** Resolves when all queues answer: each has its own connection. */
  async check(): Promise<void> {
    await Promise.all(Object.values(this.#queues).map(queue => queue.getWaitingCount()))
  }

  /** How many hints stand in each queue, by what becomes of them; for people who watch, never for deciding anything. */
  async depths(): Promise<QueueDepth[]> {
    const depths = await Promise.all(
      Object.entries(this.#queues).map(async ([name, queue]) => {
        const counts = await queue.getJobCounts(...DEPTH_STATES)
        return Object.entries(counts).map(([state, jobs]) => ({ queue: name, state, jobs }))
      }),
    )
    return depths.flat()
  }

  /** Sends what is still to be sent, unless that takes long, and closes the queues. */
  async close(): Promise<void> {
    const landed = Promise.all([...this.#flights.values()].map(flight => flight.landed))
    await withDeadline(landed, LAND_MS).catch(() => {})
    await Promise.all(Object.values(this.#queues).map(closeQueue))
  }

  /**
   * One hint per subject is on its way at a time, and the next one keeps its distance: it covers all that happened
   * meanwhile, so a burst of a thousand events costs a handful of jobs.
   */
  #hint(name: HintQueue, subject: string, data: HintJob, rule: Deduplication): void {
    const key = `${rule.prefix}${name}-${subject}`
    const flying = this.#flights.get(key)
    if (flying) {
      flying.again = true
      return
    }
    const flight: Flight = { again: true, landed: Promise.resolve() }
    this.#flights.set(key, flight)
    // Adding while one waits or runs is dropped; the worker looks once more after each run.
    const behind = name === 'send' && ('batch_id' in data || 'behind' in data) ? BEHIND : {}
    const add = () => this.#queues[name].add(name, data, { deduplication: { id: key, ...rule.expiry }, ...behind })
    const fly = async () => {
      while (flight.again) {
        flight.again = false
        await withDeadline(add(), DEADLINE_MS).catch(error => this.#options.onLost(name, error))
        await delay(DISTANCE_MS)
      }
      this.#flights.delete(key)
    }
    flight.landed = fly()
  }
}

/** What a hint is about. */
function subjectOf(job: ChannelJob | SendJob | BatchJob): string {
  if ('channel_id' in job) return job.channel_id
  return 'message_id' in job ? (job.action_id ?? job.message_id) : job.batch_id
}

/** A Redis that is away cannot be told goodbye, so its client has to be stopped from looking for it. */
async function closeQueue(queue: Queue): Promise<void> {
  // A connection that breaks while it is closed may never say that it is closed.
  await withDeadline(queue.close(), CLOSE_MS).catch(() => {})
  abandon(queue)
}
