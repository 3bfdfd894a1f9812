import { indexEvents, triageEvents } from '@parley/core'
import { lexiconModel } from '@parley/triage'
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
    name: 'triage',
    // What comes in is triaged on arrival. What came before was read by people already, and rules would act on it again.
    from: 'now',
    batch: 200,
    pace: 'at_once',
    handle: async (trx, events, now) => {
      // Another model takes its place here.
      await triageEvents(trx, events, lexiconModel, now)
      return undefined
    },
  },
]
