import type { QueuedAction } from '@parley/core'
import type { Channel, EventRow, FeedStart, Trx } from '@parley/db'
import type { ChannelCapabilities } from '@parley/domain'
import type { WorkerMetrics } from '../metrics.ts'

/** What is told after the commit. `logged`: it wrote to the log itself. `acts`: what is to be done on networks. */
export type FeedNews = { logged: boolean; acts?: QueuedAction[] }

/**
 * A durable reader of the log. In each workspace it is given every event, in commit order, a page at a time; its place
 * moves in the transaction it works in, so what it writes there is written once, whatever dies.
 */
export type FeedConsumer = {
  /** Its name in the database: never changed, or it begins anew. */
  name: string
  /**
   * Where it begins in a workspace that it has never read: with the first event there is, or with the next one.
   * A workspace is seen within seconds of its making; for `now`, what happened in it before then does not count.
   */
  from: FeedStart
  /** How many events it is given at once, at most. */
  batch: number
  /** Events that are much work get a page, and so a transaction, of their own. */
  alone?: (event: EventRow) => boolean
  /**
   * `at_once`: read when something happens. `gently`: within a second, which makes fuller pages of a busy log, one workspace
   * at a time, and after each page it rests as long as that took: what has time leaves the database to what has none.
   */
  pace: 'at_once' | 'gently'
  /**
   * Handles a page. What it throws is blamed on an event, which is found by halving the page, tried again, and set aside
   * in the end: so it throws only for what another try could not mend, or what deserves a person's eye. It touches
   * nothing but the database. An event that was set aside and is retried comes late, by itself.
   * Returns what is told after the commit, or only whether it wrote to the log itself: whoever follows that is woken.
   */
  handle(
    trx: Trx,
    events: EventRow[],
    now: Date,
    capabilitiesOf: (channel: Channel) => ChannelCapabilities,
  ): Promise<FeedNews | boolean>
  /** What Prometheus is to know of a page, after its commit: a worker that dies just then tells nothing of it. */
  observe?(events: EventRow[], metrics: WorkerMetrics): void
}
