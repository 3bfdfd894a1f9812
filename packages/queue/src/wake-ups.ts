import { Redis } from 'ioredis'
import pg from 'pg'
import type { QueueBackend } from './backend.ts'
import { withDeadline } from './deadline.ts'

const TOPIC = 'parley_events'
const RECONNECT_MS = 1_000
const CLOSE_MS = 2_000
const CONNECT_TIMEOUT_MS = 5_000

/**
 * Tells readers of the event log that a workspace has something new. A wake-up may get lost: readers also look by
 * themselves every second.
 */
export type WakeUps = {
  /** Returns at once and never throws. */
  publish(workspace_id: string): void
  subscribe(listener: (workspace_id: string) => void): void
  close(): Promise<void>
}

export function openWakeUps(backend: QueueBackend): WakeUps {
  return backend.kind === 'redis' ? redisWakeUps(backend.url) : postgresWakeUps(backend.url)
}

type Listener = (workspace_id: string) => void

function tell(listeners: Listener[], workspace_id: string): void {
  for (const listener of listeners) listener(workspace_id)
}

function redisWakeUps(url: string): WakeUps {
  const publisher = new Redis(url, { enableOfflineQueue: false, commandTimeout: 250, maxRetriesPerRequest: 1 })
  publisher.on('error', () => {})
  const listeners: Listener[] = []
  let subscriber: Redis | undefined
  return {
    publish: workspace_id => void publisher.publish(TOPIC, workspace_id).catch(() => {}),
    subscribe: listener => {
      listeners.push(listener)
      if (subscriber) return
      subscriber = new Redis(url, { maxRetriesPerRequest: null })
      subscriber.on('error', () => {})
      subscriber.on('message', (_topic, workspace_id) => tell(listeners, workspace_id))
      void subscriber.subscribe(TOPIC).catch(() => {})
    },
    close: async () => {
      listeners.length = 0
      publisher.disconnect()
      subscriber?.disconnect()
    },
  }
}

function postgresWakeUps(url: string): WakeUps {
  const pool = new pg.Pool({ connectionString: url, max: 1, connectionTimeoutMillis: 2_000, idleTimeoutMillis: 60_000 })
  pool.on('error', () => {})
  const listeners: Listener[] = []
  let closed = false
  let listening: pg.Client | undefined

  const listen = async (): Promise<void> => {
    if (closed) return
    const client = new pg.Client({
      connectionString: url,
      application_name: 'parley-wake-ups',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      // A connection that was cut without a word is noticed after about a minute and a half instead of two hours.
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    })
    let retrying = false
    // A dropped LISTEN is silent for ever unless somebody listens anew.
    const retry = () => {
      if (retrying || closed) return
      retrying = true
      client.end().catch(() => {})
      setTimeout(() => void listen(), RECONNECT_MS).unref()
    }
    client.on('error', retry)
    client.on('end', retry)
    client.on('notification', ({ payload }) => payload && tell(listeners, payload))
    listening = client
    try {
      await client.connect()
      await client.query(`listen ${TOPIC}`)
    } catch {
      retry()
    }
  }

  return {
    publish: workspace_id => void pool.query('select pg_notify($1, $2)', [TOPIC, workspace_id]).catch(() => {}),
    subscribe: listener => {
      listeners.push(listener)
      if (listeners.length === 1) void listen()
    },
    close: async () => {
      closed = true
      listeners.length = 0
      await withDeadline(Promise.allSettled([pool.end(), listening?.end()]), CLOSE_MS).catch(() => {})
    },
  }
}
