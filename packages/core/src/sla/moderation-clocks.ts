import {
  appendEvents,
  type Channel,
  type Conversation,
  findLatestClockOf,
  insertClocks,
  lockClockOf,
  type NewEvent,
  refreshDue,
  type Trx,
} from '@parley/db'
import type { Actor } from '@parley/domain'
import { fulfilClock } from './fulfil-clock.ts'
import { loadPromises } from './promises.ts'
import { ClockStepper } from './step-clocks.ts'

/** Starts the clock of a message that was flagged just now, where a policy promises something for that. */
export async function startModeration(
  trx: Trx,
  channel: Channel,
  conversation: Conversation,
  message_id: string,
  actor: Actor,
  now: Date,
): Promise<void> {
  const promises = await loadPromises(trx, channel)
  const promise = promises.promiseTo((await promises.factsOf(trx, [conversation])).get(conversation.id)!)
  if (!promise) return
  const stepper = new ClockStepper(conversation, actor, now)
  const before = await findLatestClockOf(trx, message_id)
  stepper.start(promise, 'moderation', now, { ordinal: (before?.ordinal ?? 0) + 1, message_id })
  await insertClocks(trx, stepper.steps.started)
  await appendEvents(trx, stepper.steps.events)
  await refreshDue(trx, [conversation.id])
}

/** Ends it: the message is hidden, deleted or cleared since then. Returns what to log. */
export async function endModeration(
  trx: Trx,
  conversation: Conversation,
  message_id: string,
  at: Date,
  actor: Actor,
  now: Date,
): Promise<NewEvent[]> {
  const clock = await lockClockOf(trx, message_id)
  if (!clock) return []
  // A network may tell of what it did before anybody flagged it.
  const ended = { at: at < clock.started_at ? clock.started_at : at, message_id: null }
  const events = await fulfilClock(trx, clock, conversation, ended, now, actor)
  await refreshDue(trx, [conversation.id])
  return events
}
