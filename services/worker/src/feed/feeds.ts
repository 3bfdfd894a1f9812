import { setTimeout as delay } from 'node:timers/promises'
import { type FeedBehind, listFeedsBehind } from '@parley/db'
import type { WorkerContext } from '../context.ts'
import type { FeedConsumer } from './consumer.ts'
import { FeedReader } from './turn.ts'

/** Workspaces that one consumer reads side by side, in one process. */
const CONCURRENCY = { at_once: 2, gently: 1 }

/**
 * Runs the consumers of the log. Workspaces that were woken are read at once and, as long as something in them cannot be
 * read yet, every second; the sweep finds those whose wake-up got lost. Consumers do not wait for each other, and
 * workspaces take turns of one page.
 */
export class Feeds {
  readonly #ctx: WorkerContext
  readonly #lanes: Lane[]

  constructor(ctx: WorkerContext, consumers: FeedConsumer[]) {
    this.#ctx = ctx
    this.#lanes = consumers.map(consumer => new Lane(ctx, consumer))
  }

  listen(): void {
    this.#ctx.wakeUps.subscribe(workspace_id => {
      for (const lane of this.#lanes) lane.wakeAtItsPace(workspace_id)
    })
  }

  /** Looks again at what was put off. */
  async tick(): Promise<void> {
    for (const lane of this.#lanes) lane.wakePutOff()
  }

  /** Looks at all workspaces for what no wake-up told of, and measures how far each consumer is behind. */
  async sweep(): Promise<void> {
    const names = this.#lanes.map(({ name }) => name)
    if (names.length === 0) return
    const behind = await this.#ctx.db.asSystem(trx => listFeedsBehind(trx, names))
    const now = this.#ctx.now().getTime()
    for (const lane of this.#lanes) {
      const mine = behind.filter(({ consumer }) => consumer === lane.name)
      this.#ctx.metrics.setFeedLag(lane.name, lagOf(mine, now))
      for (const { workspace_id } of mine) lane.wake(workspace_id)
    }
  }

  /** Takes nothing new; resolves when what runs has ended. */
  async close(): Promise<void> {
    await Promise.all(this.#lanes.map(lane => lane.close()))
  }
}

function lagOf(behind: FeedBehind[], now: number): number {
  const since = behind.map(({ oldest_unread_at }) => oldest_unread_at?.getTime() ?? now)
  return Math.max(0, (now - Math.min(now, ...since)) / 1000)
}

/** The workspaces of one consumer, each at most once in a queue. */
class Lane {
  readonly name: string
  readonly #ctx: WorkerContext
  readonly #consumer: FeedConsumer
  readonly #readers = new Map<string, FeedReader>()
  readonly #due = new Set<string>()
  readonly #putOff = new Set<string>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #stop = new AbortController()

  constructor(ctx: WorkerContext, consumer: FeedConsumer) {
    this.name = consumer.name
    this.#ctx = ctx
    this.#consumer = consumer
  }

  wakeAtItsPace(workspace_id: string): void {
    if (this.#consumer.pace === 'at_once') this.wake(workspace_id)
    else this.#putOff.add(workspace_id)
  }

  /** One that is being read is read once more afterwards. */
  wake(workspace_id: string): void {
    this.#due.add(workspace_id)
    this.#start()
  }

  wakePutOff(): void {
    for (const workspace_id of this.#putOff) this.#due.add(workspace_id)
    this.#putOff.clear()
    this.#start()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#running.values())
  }

  #start(): void {
    for (const workspace_id of this.#due) {
      if (this.#stop.signal.aborted || this.#running.size >= CONCURRENCY[this.#consumer.pace]) return
      if (this.#running.has(workspace_id)) continue
      this.#due.delete(workspace_id)
      this.#running.set(workspace_id, this.#run(workspace_id))
    }
  }

  async #run(workspace_id: string): Promise<void> {
    const reader = this.#readers.get(workspace_id) ?? new FeedReader(this.#ctx, this.#consumer, workspace_id)
    this.#readers.set(workspace_id, reader)
    const startedMs = this.#ctx.monotonicMs()
    const turn = await reader.turn().catch(err => {
      this.#ctx.logger.warn({ err, consumer: this.name, workspace_id }, 'feed failed')
      return 'later' as const
    })
    if (this.#consumer.pace === 'gently') await this.#rest(this.#ctx.monotonicMs() - startedMs)
    this.#running.delete(workspace_id)
    if (turn === 'more') this.#due.add(workspace_id)
    if (turn === 'later') this.#putOff.add(workspace_id)
    if (turn === 'level') this.#readers.delete(workspace_id)
    this.#start()
  }

  async #rest(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stop.signal }).catch(() => {})
  }
}
