import type { SlaClock } from '@parley/db'
import { instantOf, type LoggedEvent, movedFrom, textOf } from './logged-events.ts'

/** A clock as the log tells of it. What is undefined it does not say. */
export type LoggedClock = Partial<SlaClock> & Pick<SlaClock, 'id'>

/** What may be counted instead of being taken from an event. */
export type Figures = Partial<
  Pick<
    SlaClock,
    | 'breached_at'
    | 'counted_ms'
    | 'due_at'
    | 'paused_ms'
    | 'running_since'
    | 'target_seconds'
    | 'top_level_since'
    | 'warn_at'
    | 'warnings'
  >
>

/** A clock before an event and as that tells of it, with all the others as they are then. */
export type Step = { before: LoggedClock | undefined; told: LoggedClock; event: LoggedEvent; others: LoggedClock[] }

/**
 * Makes the clocks of conversations anew from their events, in the order in which they happened.
 * @param figuresOf counts anew what can be counted; without it everything is as the events say
 */
export function foldClocks(events: LoggedEvent[], figuresOf: (step: Step) => Figures = () => ({})): LoggedClock[] {
  const clocks = new Map<string, LoggedClock>()
  for (const event of events) {
    const aside = [...follow(event, clocks), ...reprioritise(event, clocks), ...absorb(event, clocks)]
    for (const clock of aside) clocks.set(clock.id, clock)
    const id = textOf(event.data.clock_id)
    const step = STEPS[event.type]
    if (!step || !id) continue
    const before = clocks.get(id)
    const told: LoggedClock = { ...before, id, ...about(event), ...step(before, event) }
    const figures = figuresOf({ before, told, event, others: [...clocks.values()] })
    clocks.set(id, { ...told, ...figures })
  }
  return [...clocks.values()]
}

/** Where a conversation is merged or split, the clocks of those who wait go along with them, and those of flags with their messages. */
function follow(event: LoggedEvent, clocks: Map<string, LoggedClock>): LoggedClock[] {
  const move = movedFrom(event)
  if (!move) return []
  const theirs = [...clocks.values()].filter(clock => clock.contact_id !== null || clock.message_id !== null)
  if (event.type === 'conversation.split') {
    const ids = event.data.clock_ids
    const there = theirs.filter(({ conversation_id }) => conversation_id === move.from_id)
    // What was split before that was told went one way or the other.
    if (!Array.isArray(ids)) return there.map(clock => ({ ...clock, conversation_id: undefined }))
    return there.filter(({ id }) => ids.includes(id)).map(clock => ({ ...clock, conversation_id: move.into_id }))
  }
  return theirs.flatMap(clock => {
    // They are counted behind what the survivor has of the same customer, and an open one last, with or without clocks.
    const counted = clock.contact_id === null ? clock : { ...clock, ordinal: undefined }
    if (clock.conversation_id === move.from_id) return { ...counted, conversation_id: move.into_id }
    return clock.conversation_id === move.into_id ? counted : []
  })
}

/** A priority with the same target is nothing that happens to a clock, and no priority is to a window. */
function reprioritise({ type, at, data, conversation_id }: LoggedEvent, clocks: Map<string, LoggedClock>) {
  const priority = textOf(data.priority)
  if (!type.startsWith('conversation.') || !priority) return []
  const isOpen = ({ state, breached_at, due_at }: LoggedClock) =>
    (state === 'running' && !breached_at && !(due_at && due_at < at)) || (state === 'paused' && !breached_at)
  return [...clocks.values()]
    .filter(clock => clock.conversation_id === conversation_id && clock.metric !== 'network_window' && isOpen(clock))
    .map(clock => ({ ...clock, priority: priority as SlaClock['priority'] }))
}

/** What the network tells of our own answer may reach us before we know that it is ours. */
function absorb({ type, data }: LoggedEvent, clocks: Map<string, LoggedClock>): LoggedClock[] {
  const echo_of = type === 'message.deleted' && textOf(data.echo_of)
  if (!echo_of) return []
  return [...clocks.values()]
    .filter(({ fulfilled_by_message_id }) => fulfilled_by_message_id === data.message_id)
    .map(clock => ({ ...clock, fulfilled_by_message_id: echo_of }))
}

/** What every event of a clock says of it. */
function about({ data }: LoggedEvent): Partial<SlaClock> {
  const same = [
    'contact_id',
    'inbox_id',
    'metric',
    'policy_id',
    'policy_version',
    'priority',
    'target_seconds',
  ] as const
  const told = Object.fromEntries(same.map(field => [field, data[field]]))
  // Most clocks have neither.
  const own = { message_id: textOf(data.message_id), top_level_since: instantOf(data.top_level_since) }
  return { ...told, ...own, started_at: instantOf(data.started_at)!, due_at: instantOf(data.due_at)! }
}

const STEPS: Record<string, (before: LoggedClock | undefined, event: LoggedEvent) => Partial<SlaClock>> = {
  'sla.started': (_, { data, conversation_id }) => ({
    ...NOTHING_YET,
    conversation_id: conversation_id!,
    ...pick(data, ['calendar_id', 'calendar_version', 'cause']),
    ...(data.ordinal === undefined ? OLDER : {}),
    ...pick(data, ['wait_id', 'ordinal', 'state', 'counted_ms', 'paused_ms', 'team_id']),
    ...(data.running_since === undefined ? {} : { running_since: instantOf(data.running_since) }),
    ...(data.paused_at === undefined ? {} : { paused_at: instantOf(data.paused_at) }),
  }),
  'sla.warned': () => ({}),
  'sla.paused': (_, { at, data }) => ({ state: 'paused', paused_at: at, ...pick(data, ['counted_ms']) }),
  'sla.resumed': (before, { at }) => {
    const stood_ms = before?.paused_at ? at.getTime() - before.paused_at.getTime() : 0
    const paused_ms = before?.paused_ms === undefined ? {} : { paused_ms: before.paused_ms + stood_ms }
    return { state: 'running', paused_at: null, running_since: at, ...paused_ms }
  },
  'sla.retargeted': (before, { data: { reason } }) => {
    if (reason === 'priority') return { cause: 'retargeted' }
    // The answer came back.
    return before?.state === 'fulfilled' ? { state: 'running', fulfilled_at: null, fulfilled_by_message_id: null } : {}
  },
  'sla.recalculated': (_, { data }) => ({ ...pick(data, ['calendar_id', 'calendar_version']), cause: 'recalculated' }),
  'sla.breached': (_, event) => ({
    breached_at: instantOf(event.data.due_at),
    detected_at: event.at,
    ...creditIn(event),
  }),
  'sla.fulfilled': (before, event) => ({
    state: 'fulfilled',
    fulfilled_at: instantOf(event.data.fulfilled_at),
    ...pick(event.data, ['fulfilled_by_message_id']),
    // Of a breach that is recorded, they are whose it was.
    ...(before?.breached_at ? {} : creditIn(event)),
    // The network may have accepted in time, and we heard of it late.
    ...(event.data.late ? {} : { breached_at: null, detected_at: null }),
  }),
  'sla.cancelled': (_, { at, data }) => ({
    state: 'cancelled',
    cancelled_at: at,
    cancelled_reason: textOf(data.reason),
    // What had ended it may have been said behind another answer, and before what it ran for.
    fulfilled_at: null,
    fulfilled_by_message_id: null,
  }),
}

const NOTHING_YET = {
  ...{ state: 'running' as const, wait_id: null, counted_ms: 0, running_since: null, paused_at: null, paused_ms: 0 },
  ...{ cause: null, breached_at: null, detected_at: null, fulfilled_at: null, fulfilled_by_message_id: null },
  ...{ cancelled_at: null, cancelled_reason: null, owner_id: null, team_id: null },
}
/** What the start of a clock did not say before it said which of its kind it is. */
const OLDER: Partial<SlaClock> = Object.fromEntries(
  ['wait_id', 'state', 'counted_ms', 'running_since', 'paused_at', 'paused_ms', 'team_id'].map(field => [
    field,
    undefined,
  ]),
)

const creditIn = ({ data }: LoggedEvent) => ({
  ...(data.assignee_id === undefined ? {} : { owner_id: textOf(data.assignee_id) }),
  ...(data.team_id === undefined ? {} : { team_id: textOf(data.team_id) }),
})

const pick = (data: Record<string, unknown>, fields: (keyof SlaClock)[]): Partial<SlaClock> =>
  Object.fromEntries(fields.filter(field => data[field] !== undefined).map(field => [field, data[field]]))
