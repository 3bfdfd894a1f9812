import {
  appendEvents,
  type Conversation,
  findConversation,
  insertClocks,
  lockLiveClocks,
  refreshDue,
  type SlaClock,
  type SlaPromise,
  type Trx,
  writeClocks,
} from '@parley/db'
import { type Actor, type ConversationStatus, PAUSABLE_METRICS, type PolicyFacts, type SlaMetric } from '@parley/domain'
import { compiledCalendar, isPromised, loadPromises, OF_CONVERSATIONS, type Promises, promiseOf } from './promises.ts'
import { type Clocked, ClockStepper, isOverdue } from './step-clocks.ts'

/** What may change of a conversation that its clocks follow. */
export type ClockedField = 'assignee_id' | 'language' | 'priority' | 'status' | 'tag' | 'team_id'
/** As it is now, and what of it has just changed. */
export type ChangedConversation = Clocked & {
  channel_id: string
  language: string | null
  changed: readonly ClockedField[]
}

/**
 * Lets the clocks of conversations follow what has just changed of them: those of the conversation start, stand still, go on
 * and end; another priority changes targets; where a policy mentions what changed, the one that promises now is looked for.
 * A response clock ends with its wait alone, whoever owns the conversation and whatever its state.
 * What fell due before, of what they change, has fallen due, though no tick has seen it yet.
 * The caller has locked them, in one channel, and written and logged what changed. Twice is the same as once. Writes to the
 * rows when the earliest promise falls due by now, and returns whether there was anything to do.
 */
export async function settleClocks(
  trx: Trx,
  conversations: ChangedConversation[],
  actor: Actor,
  now: Date,
  loaded?: Promises,
): Promise<boolean> {
  const [first] = conversations
  if (!first) return false
  const ids = conversations.map(({ id }) => id)
  const load = () => loaded ?? loadPromises(trx, { id: first.channel_id, inbox_id: first.inbox_id })
  const [clocks, promises] = await Promise.all([lockLiveClocks(trx, ids), load()])
  if (clocks.length === 0 && !promises.concernConversations) return false
  const facts = await promises.factsOf(trx, conversations)
  const steppers: ClockStepper[] = []
  for (const conversation of conversations) {
    const stepper = new ClockStepper(conversation, actor, now)
    const theirs = clocks
      .filter(({ conversation_id }) => conversation_id === conversation.id)
      .map(clock => (isOverdue(clock, now) && concerns(conversation, clock) ? stepper.breach(clock) : clock))
    const live = await followPolicies(trx, stepper, conversation, theirs, promises, facts.get(conversation.id)!)
    const entered = conversation.changed.some(field => promises.mentioned.has(field))
    const promise = promises.promiseTo(facts.get(conversation.id)!)
    await followStatus(trx, stepper, conversation, live, { promise, entered })
    steppers.push(stepper)
  }
  // One of a kind at a time: those that end make room for those that start.
  await writeClocks(
    trx,
    steppers.flatMap(({ steps }) => steps.changed),
  )
  await insertClocks(
    trx,
    steppers.flatMap(({ steps }) => steps.started),
  )
  const events = steppers.flatMap(({ steps }) => steps.events)
  if (events.length === 0) return false
  await appendEvents(trx, events)
  await refreshDue(trx, ids)
  return true
}

/** A customer's clock follows no state: what comes from networks in any order makes the same of it. */
const concerns = ({ changed }: ChangedConversation, { wait_id }: SlaClock) =>
  wait_id === null || changed.some(field => field !== 'status')

/** The same for one conversation. Returns its row as it is then. */
export async function followWithClocks(
  trx: Trx,
  { was, ...conversation }: Conversation & Pick<Clocked, 'was'>,
  changed: ClockedField[],
  actor: Actor,
  now: Date,
): Promise<Conversation> {
  const settled = await settleClocks(trx, [{ ...conversation, was, changed }], actor, now)
  return settled ? (await findConversation(trx, conversation.id))! : conversation
}

const isLive = ({ state }: SlaClock) => state === 'running' || state === 'paused'

/** Returns the clocks as they are then. */
async function followPolicies(
  trx: Trx,
  stepper: ClockStepper,
  { changed }: ChangedConversation,
  clocks: SlaClock[],
  promises: Promises,
  facts: PolicyFacts,
): Promise<SlaClock[]> {
  const asked = changed.some(field => promises.mentioned.has(field))
  if (!asked && !changed.includes('priority')) return clocks
  const chosen = promises.promiseTo(facts)
  const after: SlaClock[] = []
  for (const clock of clocks) {
    if (!isLive(clock) || clock.breached_at || !isPromised(clock)) after.push(clock)
    else if (asked && chosen?.policy_id !== clock.policy_id) after.push(stepper.enter(clock, chosen))
    else after.push(stepper.retarget(clock, await promiseOf(trx, clock)))
  }
  return after
}

const ENDED: readonly ConversationStatus[] = ['resolved', 'spam', 'merged']

async function followStatus(
  trx: Trx,
  stepper: ClockStepper,
  conversation: ChangedConversation,
  clocks: SlaClock[],
  { promise, entered }: { promise: SlaPromise | undefined; entered: boolean },
): Promise<void> {
  const { status, assignee_id, team_id, waiting_since, changed } = conversation
  const over = status === 'spam' || status === 'merged'
  const wanted: Record<(typeof OF_CONVERSATIONS)[number], boolean> = {
    resolution: !ENDED.includes(status),
    assignment: assignee_id === null && !ENDED.includes(status),
    team_ownership: team_id !== null && !ENDED.includes(status),
  }
  for (const metric of OF_CONVERSATIONS) {
    const ofKind = clocks.filter(clock => clock.wait_id === null && clock.metric === metric)
    const live = ofKind.find(isLive)
    // One that another policy took over from has the same place as that one's.
    const latest = live ?? ofKind.at(-1)
    const passedOn = metric === 'team_ownership' && live && live.team_id !== team_id
    if (live && (!wanted[metric] || passedOn)) {
      if (over) stepper.cancel(live, status)
      else if (metric === 'assignment' && assignee_id === null) stepper.cancel(live, 'resolved')
      else stepper.fulfil(live)
    }
    const going = live && wanted[metric] && !passedOn ? live : undefined
    if (going) {
      await standStill(trx, stepper, going, status)
    } else if (wanted[metric] && promise && status === 'open' && !(live && over)) {
      // It has begun when a customer first waits in it.
      const started_at = startOf(metric, latest, waiting_since, changed, stepper.now)
      if (started_at)
        stepper.start(promise, metric, started_at, {
          ordinal: (latest?.ordinal ?? 0) + 1,
          before: resumed(metric, latest),
          entered,
        })
    }
  }
}

/** A resolution goes on from where the last one ended, whatever ended it. */
const resumed = (metric: SlaMetric, latest: SlaClock | undefined) =>
  metric === 'resolution' && latest?.state === 'fulfilled' ? latest : undefined

function startOf(
  metric: SlaMetric,
  latest: SlaClock | undefined,
  waiting_since: Date | null,
  changed: readonly ClockedField[],
  now: Date,
): Date | null {
  if (metric === 'resolution' && latest) return latest.state === 'fulfilled' ? latest.started_at : waiting_since
  if (metric === 'team_ownership') return changed.includes('team_id') || latest ? now : waiting_since
  return latest || changed.includes('assignee_id') ? now : waiting_since
}

async function standStill(trx: Trx, stepper: ClockStepper, clock: SlaClock, status: ConversationStatus): Promise<void> {
  if (!(PAUSABLE_METRICS as readonly SlaMetric[]).includes(clock.metric) || !isPromised(clock)) return
  const promise = await promiseOf(trx, clock)
  const pauses = (promise.targets[clock.metric]?.pauses_in ?? ['pending']).includes(status)
  if (pauses && clock.state === 'running') stepper.pause(clock, compiledCalendar(promise, promise.calendar))
  if (!pauses && clock.state === 'paused') stepper.resume(clock, promise)
}
