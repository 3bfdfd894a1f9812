import type { EventType } from '@parley/contracts'
import {
  applyRules,
  CLOCK_REPORTS_FEED,
  countClocks,
  countEvents,
  followPosts,
  indexEvents,
  notifyPeople,
  REPORTS_FEED,
  routeConversations,
  triageEvents,
} from '@parley/core'
import { lexiconModel } from '@parley/triage'
import type { FeedConsumer } from './consumer.ts'
import { observeSla } from './observe-sla.ts'

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
      return false
    },
  },
  {
    name: 'triage',
    // What comes in is triaged on arrival. What came before was read by people already, and rules would act on it again.
    from: 'now',
    batch: 200,
    pace: 'at_once',
    // Another model takes its place here.
    handle: async (trx, events, now) => (await triageEvents(trx, events, lexiconModel, now)) > 0,
  },
  {
    name: 'routing',
    from: 'now',
    batch: 200,
    pace: 'at_once',
    handle: async (trx, events, now) =>
      events.some(({ type }) => ROUTES.has(type)) && (await routeConversations(trx, now)) > 0,
  },
  {
    name: 'notifications',
    from: 'now',
    batch: 200,
    pace: 'at_once',
    handle: async (trx, events, now) => (await notifyPeople(trx, events, now)) > 0,
    observe: observeSla,
  },
  {
    name: 'rules',
    // A new rule changes nothing that was there before it.
    from: 'now',
    batch: 100,
    pace: 'at_once',
    // It is tried on all that is open on the post.
    alone: ({ type }) => type === 'post.surging',
    handle: async (trx, events, now, capabilitiesOf) => {
      const { applied, acts } = await applyRules(trx, events, capabilitiesOf, now)
      return { logged: applied > 0, acts }
    },
  },
  {
    name: 'posts',
    from: 'beginning',
    batch: 500,
    pace: 'gently',
    handle: async (trx, events, now) => (await followPosts(trx, events, now)) > 0,
  },
  {
    name: REPORTS_FEED,
    from: 'beginning',
    batch: 500,
    pace: 'gently',
    handle: async (trx, events, now) => {
      await countEvents(trx, events, now)
      return false
    },
  },
  {
    name: CLOCK_REPORTS_FEED,
    from: 'beginning',
    batch: 500,
    pace: 'gently',
    handle: async (trx, events, now) => {
      await countClocks(trx, events, now)
      return false
    },
  },
]
