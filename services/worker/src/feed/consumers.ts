import { followPosts, indexEvents } from '@parley/core'
import type { FeedConsumer } from './consumer.ts'

/** Everything that follows the log, in any order: none waits for another. */
export const FEED_CONSUMERS: FeedConsumer[] = [
  {
    name: 'search',
    from: 'beginning',
    batch: 500,
    pace: 'gently',
    handle: async (trx, events) => {
      await indexEvents(trx, events)
      return undefined
    },
  },
  {
    name: 'posts',
    from: 'beginning',
    batch: 500,
    pace: 'gently',
    handle: async (trx, events, now) => {
      await followPosts(trx, events, now)
      return undefined
    },
  },
]
