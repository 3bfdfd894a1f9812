import { indexEvents, notifyPeople } from '@parley/core'
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
    name: 'notifications',
    from: 'now',
    batch: 200,
    pace: 'at_once',
    handle: async (trx, events, now) => {
      await notifyPeople(trx, events, now)
      return undefined
    },
  },
]
