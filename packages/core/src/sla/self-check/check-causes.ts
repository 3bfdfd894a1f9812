import { type ConversationStatus, PAUSABLE_METRICS, type SlaMetric } from '@parley/domain'
import type { PromiseOf } from './count-figures.ts'
import type { ClockDifference } from './differences.ts'
import { factsOfLog, type LoggedFacts, type Seen, type Transaction } from './facts-of-log.ts'
import { foldClocks, type LoggedClock } from './fold-clocks.ts'
import { instantOf, type LoggedEvent, textOf } from './logged-events.ts'

/** One thing that an event says of a clock, and what it must be instead by what had brought it about; null: nothing had. */
type Unfounded = Pick<ClockDifference, 'field' | 'stored' | 'recomputed'>
type Context = {
  clock: LoggedClock
  others: LoggedClock[]
  event: LoggedEvent
  transaction: Transaction
  facts: LoggedFacts
  promiseOf: PromiseOf
}

const ENDED: unknown[] = ['resolved', 'spam', 'merged'] satisfies ConversationStatus[]

/**
 * Looks for what the log says of clocks without a cause in it: one that starts when no customer began to wait, an answer that
 * no network accepted, a pause in a state that has none, and what goes on although it has ended.
 * @param told the clocks as the log tells of them
 */
export function checkCauses(
  events: LoggedEvent[],
  told: LoggedClock[],
  connectedAt: (channel_id: string) => Date | undefined,
  promiseOf: PromiseOf,
): ClockDifference[] {
  const facts = factsOfLog(events, connectedAt)
  const steps = new Map<LoggedEvent, Pick<Context, 'clock' | 'others'>>()
  foldClocks(events, ({ told: clock, event, others }) => {
    steps.set(event, { clock, others })
    return {}
  })
  const found: ClockDifference[] = []
  for (const transaction of facts.transactions)
    for (const event of transaction.events) {
      const step = steps.get(event)
      const check = CHECKS[event.type]
      if (!step || !check) continue
      for (const one of check({ ...step, event, transaction, facts, promiseOf }))
        found.push({ ...one, level: 'cause', clock_id: step.clock.id, conversation_id: event.conversation_id! })
    }
  for (const clock of told)
    for (const one of goesOn(clock, facts))
      found.push({ ...one, level: 'cause', clock_id: clock.id, conversation_id: clock.conversation_id! })
  return found
}

const CHECKS: Record<string, (context: Context) => Unfounded[]> = {
  'sla.started': context => [
    ...among('priority', context.clock.priority, context.transaction.seen('priority')),
    ...startOf(context),
    ...(context.clock.metric === 'team_ownership'
      ? among('team_id', context.clock.team_id, orNone(context.transaction.seen('team_id')))
      : []),
  ],
  'sla.retargeted': ({ clock, event, transaction, facts }) =>
    event.data.reason === 'priority'
      ? among('priority', clock.priority, transaction.seen('priority'))
      : startOfWait(clock, facts),
  'sla.paused': ({ clock, transaction, promiseOf }) =>
    pausesIn(clock, transaction, promiseOf, true) ? [] : [unfounded('paused_at', clock.paused_at)],
  'sla.resumed': ({ clock, transaction, promiseOf }) =>
    pausesIn(clock, transaction, promiseOf, false) ? [] : [unfounded('running_since', clock.running_since)],
  'sla.breached': ({ clock, event, transaction }) => [
    ...(event.at > clock.due_at! ? [] : [unfounded('breached_at', clock.breached_at)]),
    ...creditOf(clock, event, transaction),
  ],
  'sla.fulfilled': context => [
    ...fulfilment(context),
    ...(context.clock.breached_at ? [] : creditOf(context.clock, context.event, context.transaction)),
  ],
  'sla.cancelled': ({ clock, transaction }) =>
    isCancelled(clock, transaction) ? [] : [unfounded('cancelled_reason', clock.cancelled_reason)],
}

const unfounded = (field: string, stored: unknown): Unfounded => ({ field, stored, recomputed: null })

/** Where the log does not say what it was, nothing contradicts. */
const among = (field: string, stored: unknown, seen: Seen): Unfounded[] =>
  !seen || seen.includes(stored) ? [] : [{ field, stored, recomputed: seen.at(-1) }]

/** Whose team is deleted has none any more, and that is told of the team alone. */
const orNone = (seen: Seen): Seen => seen && [null, ...seen]

/** A customer's wait begins with what they said. */
function startOfWait(clock: LoggedClock, facts: LoggedFacts): Unfounded[] {
  if (clock.metric === 'network_window') return windowOf(clock, facts)
  return isSaid(clock, facts) ? [] : [unfounded('started_at', clock.started_at)]
}

/** A window opens with a message and closes when its network said of one of theirs. */
function windowOf({ contact_id, message_id, started_at, due_at }: LoggedClock, { said }: LoggedFacts): Unfounded[] {
  const theirs = said.filter(one => one.contact_id === contact_id && one.reply_untils.length > 0)
  const opener = theirs.find(one => one.message_id === message_id)
  if (opener?.at.getTime() !== started_at?.getTime())
    return [{ field: 'started_at', stored: started_at, recomputed: opener?.at ?? null }]
  const closes = theirs.flatMap(({ reply_untils }) => reply_untils)
  if (closes.some(at => at.getTime() === due_at?.getTime())) return []
  return [{ field: 'due_at', stored: due_at, recomputed: opener?.reply_until ?? null }]
}

const isSaid = ({ contact_id, started_at }: LoggedClock, { said }: LoggedFacts) =>
  said.some(one => (!contact_id || one.contact_id === contact_id) && one.at.getTime() === started_at?.getTime())

/**
 * What is of a flag begins when that was put on it. What is of the whole conversation may also begin with what was done to it, and goes
 * on from where another one began.
 */
function startOf({ clock, event, facts, others }: Context): Unfounded[] {
  const { contact_id, message_id, metric, started_at } = clock
  if (contact_id) return startOfWait(clock, facts)
  const isBegin = (at: Date | undefined) => at?.getTime() === started_at?.getTime()
  if (metric === 'moderation')
    return facts.flags.get(message_id!)?.since.some(isBegin) ? [] : [unfounded('started_at', started_at)]
  const goesOn = others.some(other => !other.contact_id && other.metric === metric && isBegin(other.started_at))
  if (isSaid(clock, facts) || isBegin(event.at) || goesOn) return []
  return [unfounded('started_at', started_at)]
}

function pausesIn(clock: LoggedClock, { seen }: Transaction, promiseOf: PromiseOf, pauses: boolean): boolean {
  if (!(PAUSABLE_METRICS as readonly (SlaMetric | undefined)[]).includes(clock.metric)) return false
  const states: unknown[] = promiseOf(clock)?.targets[clock.metric!]?.pauses_in ?? ['pending']
  return seen('status')?.some(status => states.includes(status) === pauses) ?? true
}

function creditOf({ metric }: LoggedClock, { data }: LoggedEvent, { seen }: Transaction): Unfounded[] {
  if (data.assignee_id === undefined) return []
  const team = metric === 'team_ownership' ? [] : among('team_id', data.team_id, orNone(seen('team_id')))
  return [...among('owner_id', data.assignee_id, seen('assignee_id')), ...team]
}

function fulfilment({ clock, event, transaction, facts }: Context): Unfounded[] {
  const { seen } = transaction
  const fulfilled_at = instantOf(event.data.fulfilled_at)
  const [statuses, owners, teams] = [seen('status'), seen('assignee_id'), seen('team_id')]
  const not = (founded: boolean | undefined) => (founded === false ? [unfounded('fulfilled_at', fulfilled_at)] : [])
  switch (clock.metric) {
    case 'first_response':
    case 'next_response':
    case 'network_window': {
      const answer = textOf(event.data.fulfilled_by_message_id)
      if (!answer) return []
      const accepted = facts.accepted.get(answer)
      return accepted?.getTime() === fulfilled_at?.getTime()
        ? []
        : [{ field: 'fulfilled_at', stored: fulfilled_at, recomputed: accepted ?? null }]
    }
    case 'moderation': {
      const at = dealtWithAt(clock, transaction)
      return at?.getTime() === fulfilled_at?.getTime()
        ? []
        : [{ field: 'fulfilled_at', stored: fulfilled_at, recomputed: at }]
    }
    case 'resolution':
      return not(statuses?.includes('resolved'))
    case 'assignment':
      return not(owners?.some(owner => owner !== null))
    case 'team_ownership':
      return not(
        statuses && teams && (teams.some(team => team !== clock.team_id) || statuses.some(one => ENDED.includes(one))),
      )
    default:
      return []
  }
}

/** When what was flagged was hidden or deleted, by the network's time, or cleared; what came before the flag came with it. */
function dealtWithAt({ message_id, started_at }: LoggedClock, { events }: Transaction): Date | null {
  const of = (type: string) => events.find(event => event.type === type && event.data.message_id === message_id)
  const cleared = of('message.flag_cleared')
  if (!cleared) return null
  const { outcome } = cleared.data
  const told =
    outcome === 'hidden'
      ? instantOf(of('action.sent')?.data.accepted_at)
      : outcome === 'deleted'
        ? instantOf(of('message.deleted')?.data.deleted_at)
        : cleared.at
  if (!told) return null
  const at = told < cleared.at ? told : cleared.at
  return at < started_at! ? started_at! : at
}

/** What has to have happened in the same transaction, by the reason. */
const CANCELLED_BY: Record<string, string> = {
  customer_deleted: 'message.deleted',
  dismissed: 'message.dismissed',
  hidden: 'action.sent',
  merged: 'conversation.merged',
  reply_bounced: 'reply.bounced',
}

/** What may leave nothing to a window that runs, or make it another one. */
const WINDOW_GONE = [
  ...['message.updated', 'message.disposition_changed', 'message.received', 'reply.sent', 'reply.bounced'],
  ...['conversation.split', 'conversation.merged'],
]

function isCancelled({ cancelled_reason, metric }: LoggedClock, { types, seen }: Transaction): boolean {
  if (metric === 'moderation') return cancelled_reason === 'policy_removed'
  if (cancelled_reason === 'window_gone') return WINDOW_GONE.some(one => types.has(one))
  const type = CANCELLED_BY[cancelled_reason ?? '']
  if (type) return types.has(type)
  if (cancelled_reason === 'spam') return types.has('message.dismissed') || (seen('status')?.includes('spam') ?? true)
  if (cancelled_reason === 'resolved') return seen('status')?.includes('resolved') ?? true
  return true
}

/** What a clock that goes on is contradicted by. */
function goesOn(clock: LoggedClock, facts: LoggedFacts): Unfounded[] {
  const { state, metric, conversation_id, contact_id, message_id, breached_at, started_at } = clock
  if ((state !== 'running' && state !== 'paused') || !conversation_id) return []
  if (metric === 'moderation')
    return facts.flags.get(message_id!)?.flagged ? [] : [{ field: 'state', stored: state, recomputed: 'fulfilled' }]
  if (contact_id) {
    const theirs = facts.said.filter(one => one.awaits && one.contact_id === contact_id)
    // Where a breach is recorded it stays with what it was a breach of, as long as they wait for anything.
    if (breached_at) return theirs.length > 0 ? [] : [{ field: 'state', stored: state, recomputed: null }]
    const waits = theirs.some(
      one => one.at.getTime() === started_at?.getTime() && (!message_id || one.message_id === message_id),
    )
    if (waits && metric === 'network_window') return closesOtherwise(clock, theirs)
    return waits ? [] : [{ field: 'state', stored: state, recomputed: null }]
  }
  if (ENDED.includes(facts.now(conversation_id, 'status')))
    return [{ field: 'state', stored: state, recomputed: metric === 'assignment' ? 'cancelled' : 'fulfilled' }]
  const owner = facts.now(conversation_id, 'assignee_id')
  return metric === 'assignment' && owner ? [{ field: 'state', stored: state, recomputed: 'fulfilled' }] : []
}

/** It closes with the last of what nobody has answered. */
function closesOtherwise({ due_at }: LoggedClock, waiting: LoggedFacts['said']): Unfounded[] {
  const closes = waiting.flatMap(({ reply_until }) => reply_until ?? [])
  if (closes.some(at => at.getTime() === due_at?.getTime())) return []
  return [{ field: 'due_at', stored: due_at, recomputed: closes.at(-1) ?? null }]
}
