import { indexEvents } from '@parley/core'
import type { FeedConsumer } from './consumer.ts'

/** Everything that follows the log, in any order: none waits for another. */
export const FEED_CONSUMERS: FeedConsumer[] = [
  {
    name: 'search',
    from: 'beginning',
    batch: 500,
    // A page of five hundred costs little more than one of five.
    pace: 'each_second',
    handle: async (trx, events) => {
      await indexEvents(trx, events)
      return undefined
    },
  },
]
