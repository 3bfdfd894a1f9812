import {
  closeFeedFailure,
  createFeedCursor,
  type EventPosition,
  type EventRow,
  findPendingFailure,
  hasEventsAfter,
  type LockedFeedCursor,
  listEventsAfter,
  lockFeedCursor,
  moveFeedCursor,
  type Trx,
} from '@parley/db'
import { capabilitiesIn } from '../capabilities-of.ts'
import type { WorkerContext } from '../context.ts'
import { blameFeedEvent, blameRetry, isDatabaseAway } from './blame.ts'
import type { FeedConsumer, FeedNews } from './consumer.ts'

/**
 * How a turn ended. `level`: everything was read. `more`: there is another page. `later`: look again in a while, because
 * the rest cannot be read yet, another worker is at it, or an event is to be tried again.
 */
export type FeedTurn = 'level' | 'more' | 'later'

/** What a turn had in its hands when it failed. */
type Hands = { after?: EventPosition; events: EventRow[]; failure_id?: string }
type Work = { turn: FeedTurn; handled: number; news?: FeedNews }

/** One consumer in one workspace. `limit` shrinks when a page fails, until the event to blame stands alone. */
export class FeedReader {
  readonly #ctx: WorkerContext
  readonly #consumer: FeedConsumer
  readonly #workspace_id: string
  limit: number

  constructor(ctx: WorkerContext, consumer: FeedConsumer, workspace_id: string) {
    this.#ctx = ctx
    this.#consumer = consumer
    this.#workspace_id = workspace_id
    this.limit = consumer.batch
  }

  /**
   * Handles up to a page, and moves the place, in one transaction.
   * @throws what the database threw when it was away: no event is to blame then
   */
  async turn(): Promise<FeedTurn> {
    const { db, metrics } = this.#ctx
    const { name, batch } = this.#consumer
    const hands: Hands = { events: [] }
    try {
      const work = await db.inWorkspace(this.#workspace_id, trx => this.#work(trx, hands))
      metrics.countFeedEvents(name, 'handled', work.handled)
      this.#consumer.observe?.(hands.events, metrics)
      if (work.news) this.#tell(work.news)
      this.limit = Math.min(batch, this.limit * 2)
      return work.turn
    } catch (error) {
      if (isDatabaseAway(error) || hands.events.length === 0) throw error
      return this.#blame(hands, error)
    }
  }

  async #work(trx: Trx, hands: Hands): Promise<Work> {
    const now = this.#ctx.now()
    hands.events = []
    const cursor = await lockFeedCursor(trx, this.#consumer.name)
    if (!cursor) return { turn: await this.#begin(trx, now), handled: 0 }
    if (cursor.has_retries) return this.#retry(trx, hands, now)
    if (cursor.retry_at && cursor.retry_at > now) return { turn: 'later', handled: 0 }
    return this.#read(trx, cursor, hands, now)
  }

  /** The place is made in a transaction of its own: others would wait for the whole page. */
  async #begin(trx: Trx, now: Date): Promise<FeedTurn> {
    const { name, from } = this.#consumer
    return (await createFeedCursor(trx, name, from, now)) ? 'more' : 'later'
  }

  async #read(trx: Trx, cursor: LockedFeedCursor, hands: Hands, now: Date): Promise<Work> {
    const { name } = this.#consumer
    // An event that has failed alone stands alone until it is through.
    const limit = cursor.attempts > 0 ? 1 : this.limit
    const found = await listEventsAfter(trx, cursor, limit)
    const events = this.#page(found)
    const to = events.at(-1)
    if (!to) return { turn: (await hasEventsAfter(trx, cursor)) ? 'later' : 'level', handled: 0 }
    hands.after = cursor
    hands.events = events
    const news = await this.#handle(trx, events, now)
    const handled = events.length
    const [rest] = await Promise.all([hasEventsAfter(trx, to), moveFeedCursor(trx, name, { to, handled }, now)])
    const more = handled === limit || handled < found.length
    return { turn: more ? 'more' : rest ? 'later' : 'level', handled, news }
  }

  /** What comes before the first event that stands alone, or that one. */
  #page(events: EventRow[]): EventRow[] {
    const first = events.findIndex(event => this.#consumer.alone?.(event))
    return first < 0 ? events : events.slice(0, Math.max(1, first))
  }

  async #retry(trx: Trx, hands: Hands, now: Date): Promise<Work> {
    const found = await findPendingFailure(trx, this.#consumer.name)
    if (!found) return { turn: 'more', handled: 0 }
    hands.failure_id = found.id
    hands.events = [found.event]
    const news = await this.#handle(trx, [found.event], now)
    await closeFeedFailure(trx, found.id, now)
    return { turn: 'more', handled: 1, news }
  }

  async #handle(trx: Trx, events: EventRow[], now: Date): Promise<FeedNews> {
    const news = await this.#consumer.handle(trx, events, now, capabilitiesIn(this.#ctx))
    return typeof news === 'boolean' ? { logged: news } : news
  }

  /** After the commit. What gets lost here the sweepers find. */
  #tell({ logged, acts = [] }: FeedNews): void {
    if (logged) this.#ctx.wakeUps.publish(this.#workspace_id)
    for (const act of acts) this.#ctx.hints.send({ workspace_id: this.#workspace_id, ...act, behind: true })
  }

  async #blame({ after, events, failure_id }: Hands, error: unknown): Promise<FeedTurn> {
    const place = { workspace_id: this.#workspace_id, consumer: this.#consumer.name }
    if (failure_id) {
      await blameRetry(this.#ctx, place, failure_id, error)
      return 'more'
    }
    if (events.length === 1) {
      const skipped = await blameFeedEvent(this.#ctx, place, after!, events[0]!, error)
      return skipped ? 'more' : 'later'
    }
    this.limit = Math.max(1, Math.floor(events.length / 2))
    return 'more'
  }
}
