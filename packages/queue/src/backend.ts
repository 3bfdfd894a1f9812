import { createPostgresBackend, Queue, type QueueOptions, Worker, type WorkerOptions, withBackend } from 'bullmq'
import pg from 'pg'

/** Where the queues live: Redis, or the database itself when there is no Redis. */
export type QueueBackend = { kind: 'redis'; url: string } | { kind: 'postgres'; url: string }

/** The schema of the queue's own tables; nothing of it is a fact. */
export const QUEUE_SCHEMA = 'bullmq'
// Hash-tagged, so that a queue's keys stay on one node of a Redis Cluster.
const PREFIX = '{parley}'

const postgres = withBackend(openPostgresBackend)

/**
 * BullMQ's backend, except for what ends a process or leaves it deaf (seen in 6.7.0). It asks again: it keeps the first
 * answer to "is the database ready?", so a process that starts while the database is away would never see its queues
 * again. And it survives a connection that breaks in its first moments, before BullMQ listens to that connection's errors.
 */
function openPostgresBackend(...args: Parameters<typeof createPostgresBackend>) {
  const backend = createPostgresBackend(...args)
  const connection = backend.connection as unknown as Connections
  connection.pool.on('connect', client => client.on('error', () => {}))
  connection.pgModule = { ...connection.pgModule, Client: PatientClient }
  for (const part of [backend, backend.connection] as unknown as Readiness[]) {
    const ask = part.waitUntilReady.bind(part)
    part.waitUntilReady = async () => {
      try {
        await ask()
      } catch (error) {
        part.readyPromise = undefined
        throw error
      }
    }
  }
  return backend
}

/** One whose breaking is told to whoever asks it something, and to nobody else. */
class PatientClient extends pg.Client {
  constructor(config: pg.ClientConfig) {
    super(config)
    this.on('error', () => {})
  }
}

type Connections = { pool: pg.Pool; pgModule: typeof pg }
type Readiness = { waitUntilReady: () => Promise<void>; readyPromise: Promise<void> | undefined }

/** A queue as a producer. On Redis it fails at once when Redis is away, and within 250 ms when Redis hangs. */
export function openQueue(backend: QueueBackend, name: string): Queue {
  const common = { defaultJobOptions: { removeOnComplete: true, removeOnFail: { count: 100 } } }
  if (backend.kind === 'redis') {
    const options: QueueOptions = {
      ...common,
      prefix: PREFIX,
      skipWaitingForReady: true,
      // It would be asked before the connection stands, fail, and fail every later command with it. Workers ask it.
      skipVersionCheck: true,
      connection: { url: backend.url, enableOfflineQueue: false, commandTimeout: 250, maxRetriesPerRequest: 1 },
    }
    return new Queue(name, options)
  }
  const connection = { connectionString: backend.url, schema: QUEUE_SCHEMA, max: 2, connectionTimeoutMillis: 2_000 }
  return new postgres.Queue(name, { ...common, connection }) as unknown as Queue
}

export type JobHandler = (data: unknown) => Promise<unknown>

/** A queue's worker. It waits for its connection however long that takes: the work is in Postgres meanwhile. */
export function openWorker(
  backend: QueueBackend,
  name: string,
  handler: JobHandler,
  options: { concurrency: number },
): Worker {
  const common: Omit<WorkerOptions, 'connection'> = {
    concurrency: options.concurrency,
    // A hint that was interrupted twice is still only a hint: fail it late, the sweeper repeats it anyway.
    maxStalledCount: 10,
    // How long it waits between two tries at a server that is away; 15 s unless told.
    runRetryDelay: 2_000,
  }
  if (backend.kind === 'redis') {
    const connection = { url: backend.url, maxRetriesPerRequest: null }
    return new Worker(name, job => handler(job.data), { ...common, prefix: PREFIX, connection })
  }
  const connection = { connectionString: backend.url, schema: QUEUE_SCHEMA, max: options.concurrency + 1 }
  return new postgres.Worker(name, job => handler(job.data), { ...common, connection }) as unknown as Worker
}

/**
 * Ends what a worker or queue keeps open at once, whether or not its close has come to an end. BullMQ's own ways out wait
 * for Redis to say goodbye, or for what could not be told to it, and go on looking for it meanwhile (seen in 6.7.0).
 */
export function abandon(owner: Worker | Queue): void {
  const { lockManager, backend } = owner as unknown as Parts
  lockManager?.close().catch(() => {})
  for (const connection of [backend.connection, backend.blockingConnection]) connection?._client?.disconnect()
}

type RedisPart = { _client?: { disconnect: () => void } }
type Parts = {
  lockManager?: { close: () => Promise<void> }
  backend: { connection?: RedisPart; blockingConnection?: RedisPart }
}
