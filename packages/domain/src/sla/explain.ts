import { type Calendar, type OpenInterval, openIntervals, openMilliseconds } from './calendar.ts'
import type { Holiday } from './calendar-rules.ts'
import type { ClockState } from './clock.ts'
import { localText } from './local-time.ts'
import type { SlaMetric } from './metric.ts'

/** Of so many stretches at most every one is told; of more, the first and the sum of all. */
const MAX_INTERVALS = 50

/** When a clock stood still; `until` null: it still does. */
export type Pause = { from: Date; until: Date | null }

export type ExplainedClock = {
  metric: SlaMetric
  state: ClockState
  started_at: Date
  target_seconds: number
  due_at: Date
  breached_at: Date | null
  fulfilled_at: Date | null
  cancelled_at: Date | null
  cancelled_reason: string | null
  cause: string | null
}
/** What a clock was started with. */
export type ExplainedPromise = { policy: string; policy_version: number; calendar: string; calendar_version: number }

export type Explanation = {
  /** Open time until it ended, or until now. */
  counted_seconds: number
  /** The stretches in which it counted, ascending; of many, the first. */
  intervals: (OpenInterval & { seconds: number })[]
  more_intervals: number
  pauses: Pause[]
  /** Those of the calendar that fell between its start and its end. */
  holidays: Holiday[]
  /** The same in words, a sentence each, with times as the clocks of the calendar's zone show them. */
  text: string[]
}

/**
 * Says how a clock came to its due time, and what became of it, from its calendar and when it stood still.
 * @param promise null: its due time is set by a network
 */
export function explainClock(
  clock: ExplainedClock,
  promise: ExplainedPromise | null,
  calendar: Calendar,
  pauses: Pause[],
  now: Date,
): Explanation {
  const end = clock.fulfilled_at ?? clock.cancelled_at ?? now
  const counted = runs(clock.started_at, end, pauses).flatMap(({ start, end }) => openIntervals(calendar, start, end))
  const intervals = counted.map(({ start, end }) => ({ start, end, seconds: (end.getTime() - start.getTime()) / 1000 }))
  const counted_seconds = intervals.reduce((sum, { seconds }) => sum + seconds, 0)
  const holidays = holidaysBetween(calendar, clock.started_at, end)
  const shown = (instant: Date) => localText(calendar.time_zone, instant)
  const text = [
    `It started at ${shown(clock.started_at)}: ${STARTS[clock.metric]}.`,
    promise
      ? promiseText(clock, promise, calendar)
      : `The network takes ${PROMISES[clock.metric]} until ${shown(clock.due_at)}; no policy and no calendar count.`,
    `${inWords(counted_seconds)} of open time ${clock.state === 'running' ? 'have been counted so far' : 'were counted'}.`,
    ...pauses.map(({ from, until }) => `It stood still from ${shown(from)} ${until ? `to ${shown(until)}` : 'on'}.`),
    ...(holidays.length > 0 ? [`Holidays: ${holidays.map(({ date, name }) => name ?? date).join(', ')}.`] : []),
    ...(clock.cause ? [CAUSES[clock.cause] ?? `It falls due then because: ${clock.cause}.`] : []),
    outcome(clock, calendar, shown),
  ]
  const shownIntervals = intervals.slice(0, MAX_INTERVALS)
  const more_intervals = intervals.length - shownIntervals.length
  return { counted_seconds, intervals: shownIntervals, more_intervals, pauses, holidays, text }
}

function promiseText({ metric, target_seconds }: ExplainedClock, promise: ExplainedPromise, { time_zone }: Calendar) {
  const { policy, policy_version, calendar, calendar_version } = promise
  return (
    `The policy '${policy}' (version ${policy_version}) promises ${PROMISES[metric]} within ${inWords(target_seconds)} of open time, ` +
    `by the calendar '${calendar}' (version ${calendar_version}, ${time_zone}).`
  )
}

const STARTS: Record<SlaMetric, string> = {
  first_response: 'the customer wrote, and nobody had answered them here before',
  next_response: 'the customer wrote again',
  resolution: 'somebody began to wait in the conversation',
  assignment: 'nobody owned the conversation',
  team_ownership: 'the team got the conversation',
  moderation: 'a message was flagged',
  network_window: 'the customer wrote where an answer is possible only for a while',
}
const PROMISES: Record<SlaMetric, string> = {
  first_response: 'a first response',
  next_response: 'a response',
  resolution: 'a resolution',
  assignment: 'an owner',
  team_ownership: 'that the team is done with it',
  moderation: 'that it is hidden, deleted or cleared',
  network_window: 'an answer',
}
const CAUSES: Record<string, string> = {
  recalculated:
    'A lead moved it to the policy and calendar as they were then; what had passed by then fell due at that moment.',
  retargeted: 'The priority was changed, and with it the target; what had passed by then fell due at that moment.',
  policy_applied: 'It came under this policy later; what had passed by then fell due at that moment.',
}

function outcome(clock: ExplainedClock, calendar: Calendar, shown: (instant: Date) => string): string {
  const { state, due_at, fulfilled_at, breached_at, cancelled_reason } = clock
  if (state === 'cancelled') return `It was cancelled at ${shown(clock.cancelled_at!)}: ${cancelled_reason}.`
  if (state === 'paused') return 'It stands still, and falls due when what is left of its target has passed after that.'
  if (!fulfilled_at)
    return breached_at ? `It fell due at ${shown(due_at)}, and goes on.` : `It falls due at ${shown(due_at)}.`
  const end = `It fell due at ${shown(due_at)}, and what was promised came at ${shown(fulfilled_at)}`
  if (!breached_at) return `${end}: in time.`
  return `${end}: ${inWords(openMilliseconds(calendar, due_at, fulfilled_at) / 1000)} of open time late.`
}

/** The stretches between two instants in which it did not stand still. */
function runs(start: Date, end: Date, pauses: Pause[]): OpenInterval[] {
  const found: OpenInterval[] = []
  let from = start
  for (const pause of pauses) {
    if (pause.from > from) found.push({ start: from, end: pause.from < end ? pause.from : end })
    from = pause.until ?? end
  }
  return from < end ? [...found, { start: from, end }] : found
}

function holidaysBetween({ holidays, time_zone }: Calendar, from: Date, to: Date): Holiday[] {
  const [first, last] = [from, to].map(instant => localText(time_zone, instant).slice(0, 10)) as [string, string]
  const years = Array.from({ length: Number(last.slice(0, 4)) - Number(first.slice(0, 4)) + 1 }, (_, n) =>
    String(Number(first.slice(0, 4)) + n),
  )
  return holidays.filter(({ date }) =>
    (date.length > 5 ? [date] : years.map(year => `${year}-${date}`)).some(day => first <= day && day <= last),
  )
}

/** Such as 1 d 2 h, 5 min 3 s or 0 s; days have 24 hours. */
export function inWords(seconds: number): string {
  const whole = Math.round(seconds)
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ] as const
  const given = parts.filter(([count]) => count > 0).slice(0, 2)
  return given.length > 0 ? given.map(([count, unit]) => `${count} ${unit}`).join(' ') : '0 s'
}
