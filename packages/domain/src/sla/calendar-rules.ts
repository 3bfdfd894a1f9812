import { CalendarError } from './calendar-error.ts'

/**
 * Hours that return every week, in local time: `weekday` is ISO (1 Monday to 7 Sunday), `opens` '00:00' to '23:59',
 * `closes` up to '24:00'. They belong to the local date on which they open; when `closes` is not after `opens` it is
 * meant for the next day, so that '22:00'–'06:00' is a night shift and '08:00'–'08:00' is 24 hours.
 */
export type WeeklyInterval = { weekday: number; opens: string; closes: string }

/**
 * Hours without service: on one local date ('2026-12-24') or each year ('12-25'; '02-29' comes in leap years only).
 * Without `closed_from` and `closed_until` it is the whole date, 00:00 to 24:00; with them, those hours of it.
 */
export type Holiday = { date: string; name?: string; closed_from?: string; closed_until?: string }

/**
 * The business hours of a team: the union of `weekly`, minus `holidays`. A holiday removes the hours of its own local
 * date and no others, whichever date the shift opened on: the tail of the previous night ends where the holiday
 * starts, and a shift opened on the holiday begins where the holiday ends. Stored as it is; never changed, as an edit
 * makes a new version.
 */
export type Calendar = { time_zone: string; weekly: WeeklyInterval[]; holidays: Holiday[] }

/** Minutes after the local midnight at which a date begins; `until` is exclusive and may reach into the next date. */
export type Minutes = { from: number; until: number }

/** A calendar's entries as the engine looks them up: by ISO weekday, and by '2026-12-24' or '12-24'. */
export type CalendarRules = { weekly: Map<number, Minutes[]>; holidays: Map<string, Minutes[]> }

export const MINUTES_A_DAY = 1440

/** @throws CalendarError `invalid_interval` or `invalid_holiday`, naming the entry */
export function parseRules(calendar: Pick<Calendar, 'weekly' | 'holidays'>): CalendarRules {
  return {
    weekly: groupBy(calendar.weekly, (interval, index) => [interval.weekday, parseInterval(interval, index)]),
    holidays: groupBy(calendar.holidays, (holiday, index) => [holiday.date, parseHoliday(holiday, index)]),
  }
}

/** Whether the weekly hours leave no minute of the week out. */
export function coversTheWeek(weekly: Map<number, Minutes[]>): boolean {
  const week = 7 * MINUTES_A_DAY
  const intervals = [...weekly].flatMap(([weekday, hours]) =>
    hours.map(({ from, until }) => {
      const midnight = (weekday - 1) * MINUTES_A_DAY
      return { from: midnight + from, until: midnight + until }
    }),
  )
  // Sunday's night reaches into Monday: the week before counts too.
  const shifted = intervals.map(({ from, until }) => ({ from: from - week, until: until - week }))
  let covered = 0
  for (const { from, until } of [...shifted, ...intervals].sort((a, b) => a.from - b.from)) {
    if (from > covered) return false
    covered = Math.max(covered, until)
  }
  return covered >= week
}

function parseInterval({ weekday, opens, closes }: WeeklyInterval, index: number): Minutes {
  const from = parseTime(opens)
  const until = parseTime(closes)
  const known = Number.isInteger(weekday) && weekday >= 1 && weekday <= 7
  if (!known || from === undefined || from === MINUTES_A_DAY || until === undefined)
    throw new CalendarError(
      'invalid_interval',
      `weekly[${index}]: weekday 1 to 7, opens 00:00 to 23:59 and closes 00:00 to 24:00 are expected`,
    )
  return { from, until: until > from ? until : until + MINUTES_A_DAY }
}

function parseHoliday({ date, closed_from, closed_until }: Holiday, index: number): Minutes {
  // 2000 is a leap year: each date that returns at all is a date of it.
  if (!isDate(date) && !isDate(`2000-${date}`))
    throw new CalendarError('invalid_holiday', `holidays[${index}]: '${date}' is neither YYYY-MM-DD nor MM-DD`)
  if (closed_from === undefined && closed_until === undefined) return { from: 0, until: MINUTES_A_DAY }
  const from = parseTime(closed_from)
  const until = parseTime(closed_until)
  if (from === undefined || until === undefined || until <= from)
    throw new CalendarError(
      'invalid_holiday',
      `holidays[${index}]: closed_from and closed_until come together, in order and within one date`,
    )
  return { from, until }
}

function parseTime(time: string | undefined): number | undefined {
  const parts = /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/.exec(time ?? '')
  if (!parts) return undefined
  return parts[1] === undefined ? MINUTES_A_DAY : Number(parts[1]) * 60 + Number(parts[2])
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const date = new Date(`${text}T00:00:00Z`)
  // Date rolls 30 February over to March.
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
}

function groupBy<Entry, Key>(entries: Entry[], parse: (entry: Entry, index: number) => [Key, Minutes]) {
  const groups = new Map<Key, Minutes[]>()
  entries.forEach((entry, index) => {
    const [key, minutes] = parse(entry, index)
    groups.set(key, [...(groups.get(key) ?? []), minutes])
  })
  return groups
}
