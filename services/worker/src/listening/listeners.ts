import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import {
  type Channel,
  findChannel,
  type HeldChannel,
  listChannelsToListen,
  releaseListener,
  renewListeners,
  takeListener,
} from '@parley/db'
import { CHANNEL_KINDS, type ChannelKind } from '@parley/domain'
import type { WorkerContext } from '../context.ts'
import { type Ended, listenTo } from './connection.ts'

/** Rounds come every two seconds: several may fail before another worker takes over. */
const LEASE_MS = 15_000
/** Taken in one round, so that workers which start together share them. */
const TAKE = 25
/** Of one process. */
const MOST = 2_000
const CLOSE_MS = 2_000

type Held = { channel: Channel; stop: AbortController; done: Promise<void> }

/**
 * Keeps this process's share of the connections that tell of news: each channel is listened to by one worker of all,
 * and by another one once its worker is gone. A channel that is stopped or reconnected is let go.
 */
export class Listeners {
  readonly #ctx: WorkerContext
  readonly #holder = randomUUID()
  readonly #held = new Map<string, Held>()
  readonly #kinds: ChannelKind[]
  #renewedMs: number
  #closed = false

  constructor(ctx: WorkerContext) {
    this.#ctx = ctx
    this.#renewedMs = ctx.monotonicMs()
    this.#kinds = CHANNEL_KINDS.filter(kind => ctx.connectorFor(kind).listen)
  }

  get count(): number {
    return this.#held.size
  }

  /** Renews the leases of what is listened to, and takes what nobody listens to. */
  async round(): Promise<void> {
    try {
      await this.#renew()
      this.#renewedMs = this.#ctx.monotonicMs()
    } catch (error) {
      // By now another worker may have them.
      if (this.#ctx.monotonicMs() - this.#renewedMs > LEASE_MS) for (const { stop } of this.#held.values()) stop.abort()
      throw error
    }
    await this.#takeMore()
  }

  /** Ends all connections and lets others have them at once. */
  async close(): Promise<void> {
    this.#closed = true
    const held = [...this.#held.values()]
    for (const { stop } of held) stop.abort()
    const late = new Promise<void>(resolve => setTimeout(resolve, CLOSE_MS).unref())
    await Promise.race([Promise.all(held.map(({ done }) => done)), late])
  }

  #lease() {
    return { holder: this.#holder, until: new Date(this.#ctx.now().getTime() + LEASE_MS) }
  }

  async #renew(): Promise<void> {
    for (const [workspace_id, held] of byWorkspace([...this.#held.values()])) {
      const ids = held.map(({ channel }) => channel.id)
      const kept = await this.#ctx.db.inWorkspace(workspace_id, trx => renewListeners(trx, ids, this.#lease()))
      const now = new Map(kept.map(channel => [channel.id, channel]))
      for (const { channel, stop } of held) if (!isSame(channel, now.get(channel.id))) stop.abort()
    }
  }

  async #takeMore(): Promise<void> {
    const room = Math.min(TAKE, MOST - this.#held.size)
    if (room <= 0 || this.#kinds.length === 0) return
    const { db } = this.#ctx
    const free = await db.asSystem(trx => listChannelsToListen(trx, this.#kinds, this.#ctx.now(), room))
    for (const { workspace_id, channel_id } of free) {
      if (this.#closed) return
      // Ours still, and just being let go.
      if (this.#held.has(channel_id)) continue
      const now = this.#ctx.now()
      const taken = await db.inWorkspace(workspace_id, async trx => {
        const lease = await takeListener(trx, channel_id, this.#lease(), now)
        const channel = lease && (await findChannel(trx, channel_id))
        return channel && { channel, failures: lease.failures }
      })
      if (taken) this.#hold(taken.channel, taken.failures)
    }
  }

  #hold(channel: Channel, failures: number): void {
    const stop = new AbortController()
    const work = async () => {
      const ended = await listenTo(this.#ctx, channel, failures, stop.signal)
      await this.#release(channel, ended)
    }
    const done = work()
      .catch(err => this.#ctx.logger.warn({ err, channel_id: channel.id }, 'listener not released'))
      .finally(() => this.#held.delete(channel.id))
    this.#held.set(channel.id, { channel, stop, done })
    if (this.#closed) stop.abort()
  }

  async #release({ workspace_id, id }: Channel, ended: Ended | undefined): Promise<void> {
    const now = this.#ctx.now()
    const change = { lease_until: now, ...(ended ?? { failures: 0, retry_at: null }) }
    await this.#ctx.db.inWorkspace(workspace_id, trx => releaseListener(trx, id, this.#holder, change))
  }
}

function byWorkspace(held: Held[]): Map<string, Held[]> {
  const groups = new Map<string, Held[]>()
  for (const one of held) {
    const { workspace_id } = one.channel
    groups.set(workspace_id, [...(groups.get(workspace_id) ?? []), one])
  }
  return groups
}

function isSame(channel: Channel, now: HeldChannel | undefined): boolean {
  if (!now?.credentials_sealed.equals(channel.credentials_sealed)) return false
  return isDeepStrictEqual(now.settings, channel.settings)
}
