import { CalendarError } from './calendar-error.ts'
import { type Calendar, coversTheWeek, type Minutes, parseRules } from './calendar-rules.ts'
import { canonicalTimeZone, type LocalTime, localTime } from './local-time.ts'

/** Open time between two instants in epoch milliseconds; `end` is exclusive. */
export type Span = { start: number; end: number }

/** The open time of one UTC week: ascending, apart, within the week. */
export type OpenWeek = { spans: Span[]; open_ms: number }

/**
 * A valid calendar made ready for arithmetic. Keep one per calendar version: it remembers the weeks it has worked
 * out, up to `CACHED_WEEKS` of them.
 */
export type CompiledCalendar = {
  /** As Intl names it; the calendar keeps the name it was saved with. */
  readonly time_zone: string
  /** Every instant is open, and time is plain arithmetic. */
  readonly always_open: boolean
  /** The open time of the week from `index * WEEK_MS` on, counted from the epoch. */
  readonly openWeek: (index: number) => OpenWeek
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
export const WEEK_MS = 7 * DAY_MS

// Open clocks are weeks old, not years; two and a half years of a Monday-to-Friday calendar take 84 kB.
const CACHED_WEEKS = 128

// Weekdays and dates meet again after 28 years (no century falls into these), so what is closed throughout stays closed.
const CYCLE_START_WEEK = Math.floor(Date.UTC(2024, 0, 1) / WEEK_MS)
const CYCLE_WEEKS = Math.ceil((28 * 365.25) / 7)

/**
 * Checks a calendar and prepares it. Pure: the same calendar gives the same answers whenever it is compiled.
 * @throws CalendarError `unknown_time_zone`, `invalid_interval`, `invalid_holiday`, or `calendar_never_open` when no
 * weekly hours are left once the yearly holidays are taken out (dated ones end some day)
 */
export function compileCalendar(calendar: Calendar): CompiledCalendar {
  const time_zone = canonicalTimeZone(calendar.time_zone)
  const local = localTime(time_zone)
  const rules = parseRules(calendar)
  const always_open = rules.holidays.size === 0 && coversTheWeek(rules.weekly)

  const yearly = new Map([...rules.holidays].filter(([date]) => date.length === 'MM-DD'.length))
  if (!always_open && !isEverOpen({ weekly: rules.weekly, holidays: yearly }, local))
    throw new CalendarError('calendar_never_open', 'the calendar has no open hours')

  const weeks = new Map<number, OpenWeek>()
  function openWeek(index: number): OpenWeek {
    const cached = weeks.get(index)
    if (cached) return cached
    // Making room by dropping all costs one recomputation, 20 µs a week, and needs no bookkeeping.
    if (weeks.size >= CACHED_WEEKS) weeks.clear()
    const week = computeWeek(rules, local, index)
    weeks.set(index, week)
    return week
  }
  return { time_zone, always_open, openWeek }
}

type Rules = ReturnType<typeof parseRules>

function isEverOpen(rules: Rules, local: LocalTime): boolean {
  for (let index = 0; index < CYCLE_WEEKS; index++)
    if (computeWeek(rules, local, CYCLE_START_WEEK + index).open_ms > 0) return true
  return false
}

function computeWeek(rules: Rules, local: LocalTime, index: number): OpenWeek {
  const open: Span[] = []
  const closed: Span[] = []
  // Hours of a date end within two days of its midnight, and a zone is less than a day from UTC.
  for (let day = index * 7 - 2; day <= index * 7 + 7; day++) {
    const weekday = ((((day + 3) % 7) + 7) % 7) + 1 // 1970-01-01 was a Thursday
    open.push(...place(rules.weekly.get(weekday), day, local))
    if (rules.holidays.size === 0) continue
    const date = new Date(day * DAY_MS).toISOString().slice(0, -'T00:00:00.000Z'.length)
    closed.push(...place(rules.holidays.get(date), day, local))
    closed.push(...place(rules.holidays.get(date.slice(-'MM-DD'.length)), day, local))
  }
  const week = { start: index * WEEK_MS, end: (index + 1) * WEEK_MS }
  const spans = closed
    .reduce(subtract, union(open))
    .map(({ start, end }) => ({ start: Math.max(start, week.start), end: Math.min(end, week.end) }))
    .filter(({ start, end }) => start < end)
  return { spans, open_ms: spans.reduce((sum, { start, end }) => sum + end - start, 0) }
}

/** The hours of one local date, a number of days from the epoch, as absolute time. */
function place(hours: Minutes[] = [], day: number, local: LocalTime): Span[] {
  return hours.map(({ from, until }) => ({
    start: local.first(day * DAY_MS + from * MINUTE_MS),
    end: local.last(day * DAY_MS + until * MINUTE_MS),
  }))
}

function union(spans: Span[]): Span[] {
  const merged: Span[] = []
  for (const span of spans.sort((a, b) => a.start - b.start)) {
    const before = merged.at(-1)
    if (before && span.start <= before.end) before.end = Math.max(before.end, span.end)
    else merged.push(span)
  }
  return merged
}

function subtract(spans: Span[], { start, end }: Span): Span[] {
  return spans.flatMap(span => [
    ...(span.start < start ? [{ start: span.start, end: Math.min(span.end, start) }] : []),
    ...(span.end > end ? [{ start: Math.max(span.start, end), end: span.end }] : []),
  ])
}
