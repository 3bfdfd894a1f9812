import { applyRules, indexEvents } from '@parley/core'
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
    name: 'rules',
    // A new rule changes nothing that was there before it.
    from: 'now',
    batch: 100,
    pace: 'at_once',
    handle: async (trx, events, now) => {
      if ((await applyRules(trx, events, now)) === 0) return undefined
      const { workspace_id } = events[0]!
      return ({ wakeUps }) => wakeUps.publish(workspace_id)
    },
  },
]
