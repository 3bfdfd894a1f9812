import type { EventType } from '@parley/contracts'
import { applyRules, indexEvents, notifyPeople, routeConversations } from '@parley/core'
import type { FeedConsumer } from './consumer.ts'

/** After these somebody may be given something: a conversation waits, or a person has room. */
const ROUTES = new Set<string>([
  'conversation.created',
  'conversation.reopened',
  'conversation.unassigned',
  'conversation.resolved',
  'message.triaged',
  'user.availability_changed',
] satisfies EventType[])

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
    name: 'routing',
    from: 'now',
    batch: 200,
    pace: 'at_once',
    handle: async (trx, events, now) => {
      if (events.some(({ type }) => ROUTES.has(type))) await routeConversations(trx, now)
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
