import { type Calendar, type CompiledCalendar, dueAfter, openMilliseconds } from './calendar.ts'

export const CLOCK_STATES = ['running', 'paused', 'fulfilled', 'cancelled'] as const
export type ClockState = (typeof CLOCK_STATES)[number]

/**
 * How far a clock has come: `counted_ms` of open time before `running_since`, and all open time since. Null: it has run
 * since it started.
 */
export type ClockRun = {
  started_at: Date
  target_seconds: number
  counted_ms: number
  running_since: Date | null
}

type Hours = Calendar | CompiledCalendar

/**
 * The earliest instant by which its target has passed in open time; of one that had used it up before it went on, the
 * instant at which it went on.
 * @throws CalendarError `due_beyond_ten_years`
 */
export function dueOf(calendar: Hours, run: ClockRun): Date {
  return afterMs(calendar, run, run.target_seconds * 1000)
}

/** Open time that a running clock has counted by then, in ms. */
export function countedBy(calendar: Hours, { started_at, running_since, counted_ms }: ClockRun, at: Date): number {
  return counted_ms + openMilliseconds(calendar, running_since ?? started_at, at)
}

/** Met is inclusive: an answer in the very millisecond the target falls due has kept the promise. */
export function isBreached(due_at: Date, fulfilled_at: Date): boolean {
  return fulfilled_at > due_at
}

/** Told so many seconds of open time before it falls due, at that instant. */
export type Warning = { before_seconds: number; at: Date }

/**
 * The next time that a running clock is about to fall due, and of which length the warning is; undefined when there is
 * none left. One as long as the target, or longer, would be told at the start, and is not.
 * @param left those that have not been told, in any order
 */
export function nextWarning(calendar: Hours, run: ClockRun, left: number[]): Warning | undefined {
  const before_seconds = Math.max(...left.filter(seconds => seconds < run.target_seconds))
  if (before_seconds === -Infinity) return undefined
  return { before_seconds, at: afterMs(calendar, run, (run.target_seconds - before_seconds) * 1000) }
}

function afterMs(calendar: Hours, { started_at, running_since, counted_ms }: ClockRun, target_ms: number): Date {
  return dueAfter(calendar, running_since ?? started_at, Math.max(0, target_ms - counted_ms))
}
