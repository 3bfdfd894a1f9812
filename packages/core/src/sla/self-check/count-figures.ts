import type { SlaClock, SlaPromise } from '@parley/db'
import { countedBy, nextWarning, targetSeconds } from '@parley/domain'
import { ALWAYS_OPEN, compiledCalendar, timesOf, topLevelSince } from '../promises.ts'
import { windowTerms } from '../window-clocks.ts'
import type { Figures, LoggedClock, Step } from './fold-clocks.ts'

/** What a clock was promised, by the versions that it has then. */
export type PromiseOf = (clock: LoggedClock) => SlaPromise | undefined

/**
 * Counts the figures of a clock anew, by the calendar and the policy in the versions that it has: of the events it takes what
 * happened and when, and none of their figures.
 */
export const countFigures =
  (promiseOf: PromiseOf) =>
  (step: Step): Figures => {
    const { before, told, event, others } = step
    if (told.metric === 'network_window') return countWindow(step)
    const promise = promiseOf(told)
    const target = promise && told.metric && promise.targets[told.metric]
    if (!promise || !target) return before ? keep(before) : {}
    const calendar = compiledCalendar(promise, promise.calendar)
    const warnings = target.warn_before_seconds ?? []
    const target_seconds = targetSeconds(target, told.priority as Parameters<typeof targetSeconds>[1])
    const notBefore = (due_at: Date) => (due_at < event.at ? event.at : due_at)
    if (event.type === 'sla.started') {
      const { started_at } = told as SlaClock
      const { left, ...stood } = goneOn(told, others, event.at)
      const top_level_since = topLevelSince(
        promise,
        told.metric!,
        left ? (left.top_level_since ?? event.at) : started_at,
      )
      const {
        until,
        counted_ms = until ? countedBy(calendar, until.clock, until.at) : 0,
        running_since,
        paused_ms,
      } = stood
      const times = timesOf(calendar, { started_at, counted_ms, running_since, target_seconds }, warnings)
      const due_at = told.cause === 'policy_applied' ? notBefore(times.due_at) : times.due_at
      return { ...times, due_at, target_seconds, counted_ms, running_since, paused_ms, top_level_since }
    }
    if (!before) return {}
    const was = before as SlaClock
    switch (event.type) {
      case 'sla.paused':
        return { ...keep(before), counted_ms: countedBy(calendar, was, event.at) }
      case 'sla.resumed': {
        const stood_ms = event.at.getTime() - (was.paused_at ?? event.at).getTime()
        const times = was.breached_at ? {} : timesOf(calendar, { ...was, running_since: event.at }, was.warnings ?? [])
        return { ...keep(before), ...times, paused_ms: was.paused_ms + stood_ms }
      }
      case 'sla.recalculated':
      case 'sla.retargeted': {
        // The answer came back: it runs as it did.
        if (was.state === 'fulfilled') return keep(before)
        const stricter = event.type === 'sla.recalculated' || event.data.reason === 'priority'
        const run = stricter ? { ...was, target_seconds } : { ...was, started_at: told.started_at! }
        const times = timesOf(calendar, run, warnings)
        const due_at = stricter ? notBefore(times.due_at) : times.due_at
        return { ...keep(before), ...times, due_at, target_seconds: run.target_seconds, ...topLevelOf(step, promise) }
      }
      case 'sla.warned': {
        const left = (was.warnings ?? []).slice(1)
        return { ...keep(before), warnings: left, warn_at: nextWarning(calendar, was, left)?.at ?? null }
      }
      default:
        return { ...keep(before), breached_at: told.breached_at && was.due_at }
    }
  }

/** Since when answers to all end a clock that has moved to another version, or to where its wait begins by now. */
function topLevelOf({ before, told, event }: Step, promise: SlaPromise): Pick<Figures, 'top_level_since'> {
  const { top_level_since, started_at, metric } = before as SlaClock
  if (event.type === 'sla.recalculated')
    return { top_level_since: topLevelSince(promise, metric, top_level_since ?? event.at) }
  const fromStart = top_level_since?.getTime() === started_at.getTime()
  return { top_level_since: fromStart ? told.started_at! : top_level_since }
}

/** A window is no promise: it is counted around the clock, from the message that opened it to the instant at which it closes. */
function countWindow({ before, told, event }: Step): Figures {
  const was = before as SlaClock | undefined
  switch (event.type) {
    case 'sla.started':
    case 'sla.retargeted': {
      // The answer came back: it runs as it did.
      if (was?.state === 'fulfilled') return keep(was)
      const { message_id, started_at: opened_at, due_at: closes_at } = told as SlaClock
      const terms = windowTerms({ message_id: message_id!, opened_at, closes_at })
      const { target_seconds, due_at, warnings, warn_at } = terms
      const open = { counted_ms: 0, running_since: null, paused_ms: 0, top_level_since: null }
      return { ...open, target_seconds, due_at, warnings, warn_at }
    }
    case 'sla.warned': {
      if (!was) return {}
      const left = (was.warnings ?? []).slice(1)
      return { ...keep(was), warnings: left, warn_at: nextWarning(ALWAYS_OPEN, was, left)?.at ?? null }
    }
    default:
      return was ? { ...keep(was), breached_at: told.breached_at && was.due_at } : {}
  }
}

const keep = (clock: LoggedClock) =>
  Object.fromEntries(KEPT.map(field => [field, clock[field]])) as Pick<LoggedClock, (typeof KEPT)[number]> as Figures
const KEPT = [
  ...(['due_at', 'target_seconds', 'counted_ms', 'paused_ms', 'warnings', 'warn_at'] as const),
  ...(['breached_at', 'top_level_since'] as const),
]

/** `left`: the one that it is in the place of; `until`: it has counted all that another clock had counted by its end. */
type GoneOn = Pick<SlaClock, 'running_since' | 'paused_ms'> & {
  left?: SlaClock
  counted_ms?: number
  until?: { clock: SlaClock; at: Date }
}

/**
 * What a clock takes over: under another policy from the one that left its place to it, and of a conversation that was
 * opened again from the one that had ended.
 */
function goneOn(told: LoggedClock, others: LoggedClock[], at: Date): GoneOn {
  const { metric, conversation_id, contact_id, message_id, cause } = told
  const alike = others.filter(
    other =>
      other.metric === metric &&
      other.conversation_id === conversation_id &&
      other.contact_id === contact_id &&
      other.message_id === message_id,
  ) as SlaClock[]
  const left = alike.findLast(
    ({ cancelled_at, cancelled_reason }) =>
      cancelled_reason === 'policy_removed' && cancelled_at?.getTime() === at.getTime(),
  )
  if (left && cause === 'policy_applied') {
    const { counted_ms, running_since, paused_ms } = left
    return { left, counted_ms, running_since, paused_ms }
  }
  const before = alike.at(-1)
  if (metric !== 'resolution' || before?.state !== 'fulfilled')
    return { running_since: null, paused_ms: 0, counted_ms: 0 }
  const until = before.paused_at ?? before.fulfilled_at ?? at
  return {
    running_since: at,
    paused_ms: before.paused_ms + (at.getTime() - until.getTime()),
    ...(before.paused_at ? { counted_ms: before.counted_ms } : { until: { clock: before, at: until } }),
  }
}
