import { CalendarError } from './calendar-error.ts'
import type { Calendar } from './calendar-rules.ts'
import { type CompiledCalendar, compileCalendar, type Span, WEEK_MS } from './compiled-calendar.ts'

export { CalendarError } from './calendar-error.ts'
export type { Calendar, Holiday } from './calendar-rules.ts'
export { type CompiledCalendar, compileCalendar } from './compiled-calendar.ts'
export { canonicalTimeZone, localText, localTime } from './local-time.ts'

// Business time. An opening falls on the first occurrence of its local time and a closing on
// the second; a local time that is skipped falls on the first instant after the gap. The hours of a holiday likewise.
// Where autumn repeats midnight (Azores, Havana), the first pass of that hour therefore counts to both dates.
//
// Each function takes a calendar as stored, which it compiles on every call (about 0.2 ms), or a compiled one.

/** From `start`, inclusive, to `end`, exclusive. */
export type OpenInterval = { start: Date; end: Date }

// With the three leap days that ten years have at most.
const TEN_YEARS_MS = 3653 * 86_400_000

/** Hours around the clock, for a promise in calendar time. */
export function alwaysOpen(time_zone: string): Calendar {
  const weekly = [1, 2, 3, 4, 5, 6, 7].map(weekday => ({ weekday, opens: '00:00', closes: '24:00' }))
  return { time_zone, weekly, holidays: [] }
}

/**
 * Refuses a calendar that cannot be saved. Whether a target is due within ten years depends on when it starts:
 * `dueAt(calendar, now, target_seconds)` refuses that.
 * @throws CalendarError as `compileCalendar`
 */
export function validateCalendar(calendar: Calendar): void {
  compileCalendar(calendar)
}

/** The open time between two instants, ascending, clipped and with touching intervals as one; none if `to` ≤ `from`. */
export function openIntervals(calendar: Calendar | CompiledCalendar, from: Date, to: Date): OpenInterval[] {
  const compiled = compiledOf(calendar)
  const [start, end] = [instantOf(from), instantOf(to)]
  const intervals: Span[] = []
  if (compiled.always_open && start < end) intervals.push({ start, end })
  for (let index = weekOf(start); !compiled.always_open && index * WEEK_MS < end; index++)
    for (const span of compiled.openWeek(index).spans) {
      const clipped = { start: Math.max(span.start, start), end: Math.min(span.end, end) }
      if (clipped.start >= clipped.end) continue
      const before = intervals.at(-1)
      // What is open across the end of a week comes in two parts.
      if (before?.end === clipped.start) before.end = clipped.end
      else intervals.push(clipped)
    }
  return intervals.map(interval => ({ start: new Date(interval.start), end: new Date(interval.end) }))
}

/**
 * Open time between two instants in whole milliseconds, exactly; 0 if `to` ≤ `from`. Time from a to b and from b to c
 * adds up to the time from a to c.
 */
export function openMilliseconds(calendar: Calendar | CompiledCalendar, from: Date, to: Date): number {
  const compiled = compiledOf(calendar)
  const [start, end] = [instantOf(from), instantOf(to)]
  if (compiled.always_open) return Math.max(0, end - start)
  let open_ms = 0
  for (let index = weekOf(start); index * WEEK_MS < end; index++) {
    const week = compiled.openWeek(index)
    if (start <= index * WEEK_MS && (index + 1) * WEEK_MS <= end) open_ms += week.open_ms
    else for (const span of week.spans) open_ms += Math.max(0, Math.min(span.end, end) - Math.max(span.start, start))
  }
  return open_ms
}

/** `openMilliseconds` in seconds, not rounded: the milliseconds stay as decimals. */
export function openSeconds(calendar: Calendar | CompiledCalendar, from: Date, to: Date): number {
  return openMilliseconds(calendar, from, to) / 1000
}

/**
 * The earliest instant by which `target_seconds` (whole, at least 0) of open time have passed since `start`; a target
 * used up at closing time is due then, not at the next opening, and one of 0 at once.
 * @throws CalendarError `due_beyond_ten_years` (3653 days), `invalid_target`, or as `compileCalendar`
 */
export function dueAt(calendar: Calendar | CompiledCalendar, start: Date, target_seconds: number): Date {
  if (!Number.isInteger(target_seconds) || target_seconds < 0)
    throw new CalendarError('invalid_target', `${target_seconds} is not a whole number of seconds`)
  return dueAfter(calendar, start, target_seconds * 1000)
}

/**
 * The same for a time in whole milliseconds, such as what is left of a target.
 * @throws CalendarError `due_beyond_ten_years`, or as `compileCalendar`
 */
export function dueAfter(calendar: Calendar | CompiledCalendar, start: Date, target_ms: number): Date {
  const from = instantOf(start)
  const due = findDue(compiledOf(calendar), from, target_ms)
  if (due > from + TEN_YEARS_MS)
    throw new CalendarError('due_beyond_ten_years', `${target_ms / 1000} s of open time take more than ten years`)
  return new Date(due)
}

/** Infinity, or some instant that is too late, when that is beyond ten years. */
function findDue(compiled: CompiledCalendar, from: number, target_ms: number): number {
  if (compiled.always_open || target_ms === 0 || target_ms > TEN_YEARS_MS) return from + target_ms
  let left_ms = target_ms
  for (let index = weekOf(from); index * WEEK_MS < from + TEN_YEARS_MS; index++) {
    const week = compiled.openWeek(index)
    if (from <= index * WEEK_MS && week.open_ms < left_ms) {
      left_ms -= week.open_ms
      continue
    }
    for (const span of week.spans) {
      const start = Math.max(span.start, from)
      if (start + left_ms <= span.end) return start + left_ms
      left_ms -= Math.max(0, span.end - start)
    }
  }
  return Infinity
}

function compiledOf(calendar: Calendar | CompiledCalendar): CompiledCalendar {
  return 'openWeek' in calendar ? calendar : compileCalendar(calendar)
}

function weekOf(instant: number): number {
  return Math.floor(instant / WEEK_MS)
}

function instantOf(date: Date): number {
  const instant = date.getTime()
  // An invalid date would otherwise count as no time at all.
  if (Number.isNaN(instant)) throw new RangeError('an invalid date has no business time')
  return instant
}
