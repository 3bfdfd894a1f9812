import { Redis } from 'ioredis'
import pg from 'pg'
import type { QueueBackend } from './backend.ts'
import { withDeadline } from './deadline.ts'

const EVENTS = 'parley_events'
const PASSING = 'parley_passing'
/** A notification of PostgreSQL holds less than 8000 bytes. */
const MAX_BYTES = 7_000
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
  /** Tells all processes what is kept nowhere else and may get lost. Returns at once and throws only for what is too long. */
  tell(message: Passing): void
  hear(listener: (message: Passing) => void): void
  close(): Promise<void>
}

/** Who is at a conversation from now on, or not any more. */
export type Passing = {
  workspace_id: string
  inbox_id: string
  conversation_id: string
  user_id: string
  state: 'viewing' | 'typing' | 'away'
  /** ISO 8601. */
  expires_at: string | null
  typing_until: string | null
}

export function openWakeUps(backend: QueueBackend): WakeUps {
  return backend.kind === 'redis' ? redisWakeUps(backend.url) : postgresWakeUps(backend.url)
}

type Topic = typeof EVENTS | typeof PASSING
type Listener = (payload: string) => void

/** Who listens to what in this process. */
class Listeners {
  readonly #of: Record<Topic, Listener[]> = { [EVENTS]: [], [PASSING]: [] }

  /** True for the first of a topic. */
  add(topic: Topic, listener: Listener): boolean {
    return this.#of[topic].push(listener) === 1
  }

  get topics(): Topic[] {
    return ([EVENTS, PASSING] as const).filter(topic => this.#of[topic].length > 0)
  }

  tell(topic: string, payload: string): void {
    for (const listener of this.#of[topic as Topic] ?? []) listener(payload)
  }

  clear(): void {
    for (const listeners of Object.values(this.#of)) listeners.length = 0
  }
}

/** What the two kinds of servers share: `send` and `listen` are theirs. */
function wakeUpsOver(
  listeners: Listeners,
  send: (topic: Topic, payload: string) => void,
  listen: (topic: Topic) => void,
  close: () => Promise<void>,
): WakeUps {
  const add = (topic: Topic, listener: Listener) => {
    if (listeners.add(topic, listener)) listen(topic)
  }
  return {
    publish: workspace_id => send(EVENTS, workspace_id),
    subscribe: listener => add(EVENTS, listener),
    tell: message => {
      const payload = JSON.stringify(message)
      if (Buffer.byteLength(payload) > MAX_BYTES) throw new RangeError('too long to be told')
      send(PASSING, payload)
    },
    hear: listener => add(PASSING, payload => listener(JSON.parse(payload) as Passing)),
    close: async () => {
      listeners.clear()
      await close()
    },
  }
}

function redisWakeUps(url: string): WakeUps {
  const publisher = new Redis(url, { enableOfflineQueue: false, commandTimeout: 250, maxRetriesPerRequest: 1 })
  publisher.on('error', () => {})
  const listeners = new Listeners()
  let subscriber: Redis | undefined
  return wakeUpsOver(
    listeners,
    (topic, payload) => void publisher.publish(topic, payload).catch(() => {}),
    topic => {
      if (!subscriber) {
        subscriber = new Redis(url, { maxRetriesPerRequest: null })
        subscriber.on('error', () => {})
        subscriber.on('message', (topic, payload) => listeners.tell(topic, payload))
      }
      void subscriber.subscribe(topic).catch(() => {})
    },
    async () => {
      publisher.disconnect()
      subscriber?.disconnect()
    },
  )
}

function postgresWakeUps(url: string): WakeUps {
  const pool = new pg.Pool({ connectionString: url, max: 1, connectionTimeoutMillis: 2_000, idleTimeoutMillis: 60_000 })
  pool.on('error', () => {})
  const listeners = new Listeners()
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
    client.on('notification', ({ channel, payload }) => payload && listeners.tell(channel, payload))
    listening = client
    try {
      await client.connect()
      for (const topic of listeners.topics) await client.query(`listen ${topic}`)
    } catch {
      retry()
    }
  }

  return wakeUpsOver(
    listeners,
    (topic, payload) => void pool.query('select pg_notify($1, $2)', [topic, payload]).catch(() => {}),
    topic => {
      // One that is still connecting asks for whatever is listened to by then; where it has asked already, this comes behind.
      if (!listening) void listen()
      else listening.query(`listen ${topic}`).catch(() => {})
    },
    async () => {
      closed = true
      await withDeadline(Promise.allSettled([pool.end(), listening?.end()]), CLOSE_MS).catch(() => {})
    },
  )
}
