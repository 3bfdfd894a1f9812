import fc from 'fast-check'
import t from 'tap'
import {
  type Calendar,
  CalendarError,
  type CompiledCalendar,
  compileCalendar,
  dueAt,
  openIntervals,
  openMilliseconds,
  openSeconds,
} from './calendar.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 1440 * MINUTE

// Summer time by an hour, half an hour and two (Troll); at midnight, before and after it; by Ramadan; by decree; dates
// skipped (Apia, Kiritimati's neighbours) and odd offsets. Past and present rules are both drawn.
const ZONES = `UTC Europe/Berlin Europe/London America/New_York America/St_Johns America/Havana America/Santiago
  America/Sao_Paulo America/Nuuk America/Caracas Atlantic/Azores Africa/Casablanca Africa/Cairo Asia/Beirut Asia/Gaza
  Asia/Tehran Asia/Kolkata Asia/Kathmandu Asia/Tokyo Asia/Pyongyang Australia/Lord_Howe Pacific/Chatham Pacific/Apia
  Pacific/Fakaofo Antarctica/Troll`.split(/\s+/)

const formats = new Map(
  ZONES.map(timeZone => [
    timeZone,
    new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' }),
  ]),
)

/** What the clocks of a zone show, as if they showed UTC. */
function wallOf(zone: string, instant: number): number {
  return Date.parse(`${formats.get(zone)!.format(instant).replace(' ', 'T')}:00Z`)
}

/**
 * The open minutes of a calendar, found without its code: every UTC minute is put on the zone's wall clock by Intl,
 * then each interval of each date is laid from the first minute that shows its opening to the last that shows its
 * closing, and each holiday taken out likewise; a time that no minute shows is the next one that is shown. Intl is asked
 * for the ends of each hour, and for its minutes where those differ: no clock changes twice within an hour.
 */
function openMinutes({ time_zone, weekly, holidays }: Calendar, from: number, to: number): Set<number> {
  const shown = new Map<number, { first: number; last: number }>()
  const offsetAt = (instant: number) => wallOf(time_zone, instant) - instant
  let offset = offsetAt(from - 4 * DAY)
  for (let hour = from - 4 * DAY; hour <= to + 4 * DAY; hour += HOUR) {
    const next = offsetAt(hour + HOUR)
    for (let instant = hour; instant < hour + HOUR; instant += MINUTE) {
      const wall = instant + (next === offset ? offset : offsetAt(instant))
      shown.set(wall, { first: shown.get(wall)?.first ?? instant, last: instant })
    }
    offset = next
  }
  function find(wall: number, edge: 'first' | 'last'): number {
    const exact = shown.get(wall)
    if (exact) return exact[edge]
    let next = wall
    while (!shown.has(next)) next += MINUTE
    return shown.get(next)!.first
  }
  const open = new Set<number>()
  function each(date: number, opens: string, closes: string, visit: (minute: number) => void) {
    const end = find(date + timeOf(closes) + (closes > opens ? 0 : DAY), 'last')
    for (let minute = find(date + timeOf(opens), 'first'); minute < end; minute += MINUTE) visit(minute)
  }
  const dates: number[] = []
  for (let date = Math.floor(from / DAY) * DAY - 3 * DAY; date <= to + DAY; date += DAY) dates.push(date)
  for (const date of dates)
    for (const { weekday, opens, closes } of weekly)
      if (weekday % 7 === new Date(date).getUTCDay()) each(date, opens, closes, minute => open.add(minute))
  for (const date of dates)
    for (const { date: day, closed_from = '00:00', closed_until = '24:00' } of holidays)
      if (new Date(date).toISOString().slice(0, 10).endsWith(day))
        each(date, closed_from, closed_until, minute => open.delete(minute))
  return open
}

function timeOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 * MINUTE + Number(time.slice(3)) * MINUTE
}

function textOf(minutes: number): string {
  return [Math.floor(minutes / 60), minutes % 60].map(part => String(part).padStart(2, '0')).join(':')
}

/** The days of a year in which a zone's clocks change. */
function changesIn(zone: string, year: number): number[] {
  const days: number[] = []
  const offset = (instant: number) => wallOf(zone, instant) - instant
  let before = offset(Date.UTC(year))
  // Clocks that change do so for weeks: a week that ends as it began has no change to be looked for day by day.
  for (let week = Date.UTC(year); week < Date.UTC(year + 1); week += 7 * DAY) {
    const after = offset(week + 7 * DAY)
    for (let day = week; after !== before && day < week + 7 * DAY; day += DAY)
      if (offset(day) !== offset(day + DAY)) days.push(day)
    before = after
  }
  return days
}

/** Minutes of a day; half of them where clocks change. */
const minutes = fc.oneof(
  fc.integer({ min: 0, max: 1439 }),
  fc.integer({ min: 0, max: 12 }).map(n => n * 15),
)

const weekly = fc.record({
  weekday: fc.integer({ min: 1, max: 7 }),
  opens: minutes.map(textOf),
  closes: fc.oneof(minutes.map(textOf), fc.constant('24:00')),
})

const hoursOfHoliday = fc.option(
  fc.tuple(minutes, fc.integer({ min: 1, max: 1440 })).map(([from, length]) => ({
    closed_from: textOf(from),
    closed_until: textOf(Math.min(1440, from + length)),
  })),
)

/** A calendar and a minute, every other time within two days of a change of its clocks, with holidays around it. */
const scenarios = fc
  .record({
    time_zone: fc.constantFrom(...ZONES),
    year: fc.integer({ min: 2005, max: 2036 }),
    near: fc.option(fc.nat(7)),
    day: fc.nat(364),
    minute: fc.integer({ min: -2880, max: 1440 }),
    weekly: fc.array(weekly, { minLength: 1, maxLength: 12 }),
    holidays: fc.array(fc.tuple(fc.integer({ min: -2, max: 4 }), fc.boolean(), hoursOfHoliday), { maxLength: 3 }),
  })
  .map(({ time_zone, year, near, day, minute, weekly, holidays }) => {
    const changes = near === null ? [] : changesIn(time_zone, year)
    const base = changes.length > 0 ? changes[near! % changes.length]! : Date.UTC(year) + day * DAY
    const start = base + minute * MINUTE
    const calendar: Calendar = {
      time_zone,
      weekly,
      holidays: holidays.map(([days, yearly, hours]) => {
        const date = new Date(start + days * DAY).toISOString().slice(0, 10)
        return { date: yearly ? date.slice(5) : date, ...hours }
      }),
    }
    return { calendar, start }
  })

/** The due instant; Infinity when it is refused as more than ten years away, as a minute a week makes it. */
function dueOrNever(compiled: CompiledCalendar, start: number, target_seconds: number): number {
  try {
    return dueAt(compiled, new Date(start), target_seconds).getTime()
  } catch (error) {
    if (error instanceof CalendarError && error.code === 'due_beyond_ten_years') return Infinity
    throw error
  }
}

const lengths = fc.integer({ min: 0, max: 3 * DAY })
const targets = fc.integer({ min: 0, max: 400_000 })

t.test('open time is that of every minute taken by itself, in any zone and on any day', async () => {
  fc.assert(
    fc.property(scenarios, fc.nat(MINUTE - 1), lengths, ({ calendar, start }, into, length) => {
      const [from, to] = [start + into, start + into + length]
      const open = openMinutes(calendar, start, to)
      const overlap = (minute: number) => Math.max(0, Math.min(to, minute + MINUTE) - Math.max(from, minute))
      let expected = 0
      for (const minute of open) expected += overlap(minute)
      if (openMilliseconds(calendar, new Date(from), new Date(to)) !== expected) return false

      // The same minutes again as intervals, ascending and apart.
      let listed = 0
      let before = Number.NEGATIVE_INFINITY
      for (const { start, end } of openIntervals(calendar, new Date(from), new Date(to))) {
        if (start.getTime() <= before || end <= start) return false
        for (let minute = start.getTime() - (start.getTime() % MINUTE); minute < end.getTime(); minute += MINUTE)
          if (!open.has(minute)) return false
        listed += end.getTime() - start.getTime()
        before = end.getTime()
      }
      return listed === expected
    }),
    { numRuns: 120 },
  )
})

t.test('a target is due in the minute that completes it', async () => {
  fc.assert(
    fc.property(scenarios, fc.integer({ min: 1, max: 90_000 }), ({ calendar, start }, target_seconds) => {
      const open = [...openMinutes(calendar, start, start + 3 * DAY)]
        .filter(minute => minute >= start && minute < start + 3 * DAY)
        .sort((a, b) => a - b)
      const last = open[Math.ceil(target_seconds / 60) - 1]
      const due = dueOrNever(compileCalendar(calendar), start, target_seconds)
      return last === undefined ? due > start + 3 * DAY : due === last + (target_seconds % 60 || 60) * 1000
    }),
    { numRuns: 80 },
  )
})

t.test('a target falls due after exactly its seconds of open time, and not a millisecond earlier', async () => {
  fc.assert(
    fc.property(scenarios, fc.nat(MINUTE - 1), targets, ({ calendar, start }, into, target_seconds) => {
      const compiled = compileCalendar(calendar)
      const from = start + into
      const due = dueOrNever(compiled, from, target_seconds)
      const passed = (to: number) => openSeconds(compiled, new Date(from), new Date(to))
      if (due === Infinity) return passed(from + 3653 * DAY) < target_seconds
      return passed(due) === target_seconds && (target_seconds === 0 || passed(due - 1) < target_seconds)
    }),
    { numRuns: 500 },
  )
})

t.test('a later start or a longer target is never due earlier', async () => {
  fc.assert(
    fc.property(scenarios, lengths, targets, targets, ({ calendar, start }, later, target_seconds, more) => {
      const compiled = compileCalendar(calendar)
      const longer = dueOrNever(compiled, start, target_seconds + more)
      const due = dueOrNever(compiled, start, target_seconds)
      // Ten years from a later start end later.
      return longer >= due && (due === Infinity || dueOrNever(compiled, start + later, target_seconds) >= due)
    }),
    { numRuns: 500 },
  )
})

t.test('open time adds up: from a to b and from b to c is from a to c', async () => {
  const long = fc.integer({ min: 0, max: 60 * DAY })
  fc.assert(
    fc.property(scenarios, long, long, ({ calendar, start }, first, second) => {
      const compiled = compileCalendar(calendar)
      const [a, b, c] = [new Date(start), new Date(start + first), new Date(start + first + second)] as const
      return (
        openMilliseconds(compiled, a, b) + openMilliseconds(compiled, b, c) === openMilliseconds(compiled, a, c) &&
        openMilliseconds(compiled, a, b) <= first
      )
    }),
    { numRuns: 500 },
  )
})
