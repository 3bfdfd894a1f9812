import {
  appendEvents,
  type ClockScope,
  insertClocks,
  listConversationsByIds,
  listConversationsWithClocks,
  lockConversations,
  lockLiveClocks,
  refreshDue,
  type SlaClock,
  type SlaPromise,
  type Trx,
  writeClocks,
} from '@parley/db'
import type { Actor } from '@parley/domain'
import { isPromised, loadPromises, type Promises } from './promises.ts'
import { ClockStepper } from './step-clocks.ts'

/** How many open clocks were looked at, how many are moved, and of those how many fall due by that at this moment. */
export type Recalculated = { looked_at: number; changed: number; breaching: number }
export type RecalculatedPart = Recalculated & { after: string | null }

/**
 * Moves the open clocks of some conversations to the policies and calendars as they are now: the one that promises today, in
 * its current version. Start and pauses stay, a breach that is recorded stays, and what would have been due by then falls
 * due now. Moving what is moved already changes nothing, so it may be begun again wherever it ended.
 * @param after the conversation that the part before ended with; `dry_run` only counts
 */
export async function recalculateClocks(
  trx: Trx,
  scope: ClockScope,
  { after, limit, dry_run }: { after: string | null; limit: number; dry_run: boolean },
  actor: Actor,
  now: Date,
): Promise<RecalculatedPart> {
  const ids = await listConversationsWithClocks(trx, scope, { after, limit })
  const conversations = dry_run ? await listConversationsByIds(trx, ids) : await lockConversations(trx, ids)
  const clocks = await lockLiveClocks(trx, ids)
  const promises = new Map<string, Promises>()
  const total: Recalculated = { looked_at: 0, changed: 0, breaching: 0 }
  const steppers: ClockStepper[] = []
  for (const conversation of conversations) {
    const { channel_id: id, inbox_id } = conversation
    const theirs = promises.get(id) ?? (await loadPromises(trx, { id, inbox_id }))
    promises.set(id, theirs)
    const facts = (await theirs.factsOf(trx, [conversation])).get(conversation.id)!
    const stepper = new ClockStepper(conversation, actor, now)
    for (const clock of clocks) {
      if (clock.conversation_id !== conversation.id || !isOpen(clock) || !within(scope, clock)) continue
      total.looked_at += 1
      if (clock.state === 'running' && clock.due_at < now) continue
      move(stepper, clock, theirs.promiseTo(facts))
    }
    steppers.push(stepper)
  }
  const steps = steppers.map(stepper => stepper.steps)
  const changed = steps.flatMap(step => step.changed)
  const started = steps.flatMap(step => step.started)
  total.changed = changed.length
  total.breaching = [...changed, ...started].filter(clock => clock.state === 'running' && clock.due_at <= now).length
  if (!dry_run && changed.length > 0) {
    await writeClocks(trx, changed)
    await insertClocks(trx, started)
    await appendEvents(
      trx,
      steps.flatMap(step => step.events),
    )
    await refreshDue(trx, ids)
  }
  return { ...total, after: ids.length === limit ? ids.at(-1)! : null }
}

function move(stepper: ClockStepper, clock: SlaClock, promise: SlaPromise | undefined): void {
  if (promise?.policy_id !== clock.policy_id) stepper.enter(clock, promise)
  else if (!isCurrent(clock, promise)) stepper.renew(clock, promise)
}

const isOpen = (clock: SlaClock) =>
  isPromised(clock) && (clock.state === 'running' || clock.state === 'paused') && !clock.breached_at

const within = ({ policy_id, metric }: ClockScope, clock: SlaClock) =>
  (!policy_id || clock.policy_id === policy_id) && (!metric || metric.includes(clock.metric))

const isCurrent = (clock: SlaClock, { policy_version, calendar_id, calendar_version }: SlaPromise) =>
  clock.policy_version === policy_version &&
  clock.calendar_id === calendar_id &&
  clock.calendar_version === calendar_version
