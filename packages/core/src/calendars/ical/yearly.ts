import { closedHours } from '../closed-hours.ts'
import type { IcalEvent } from './events.ts'
import type { Range } from './expand-rule.ts'
import type { Stamp } from './stamps.ts'

/**
 * The first time of an event that returns on the same date of every year, without end or exception; undefined for any
 * other. It must have begun by the year in which the range begins, as a holiday of every year is one of that year too.
 */
export function yearlyOf({ start, length, rules, without, also, except }: IcalEvent, range: Range): Stamp | undefined {
  const [rule] = rules
  if (!rule || rules.length > 1 || without.length + also.length + except.length > 0) return undefined
  const { freq, interval = 1, wkst, bymonth, bymonthday, ...others } = rule
  const date = new Date(start.wall)
  const is = (part: unknown, value: number) => [part].flat().length === 1 && Number([part].flat()[0]) === value
  if (freq !== 'YEARLY' || Number(interval) !== 1 || Object.keys(others).length > 0) return undefined
  if (bymonth !== undefined && !is(bymonth, date.getUTCMonth() + 1)) return undefined
  // A day without its month is that day of every month.
  if (bymonthday !== undefined && (bymonth === undefined || !is(bymonthday, date.getUTCDate()))) return undefined
  if (date.getUTCFullYear() > new Date(range.from).getUTCFullYear()) return undefined
  return isSameEachYear(start.wall, length) ? start : undefined
}

/** Days from February into March are others in leap years. */
function isSameEachYear(start: number, length: number): boolean {
  const dates = closedHours(start, start + length).map(({ date }) => date.slice(-'MM-DD'.length))
  const leaps = dates.includes('02-29') || (dates.includes('02-28') && dates.includes('03-01'))
  return dates.length < 300 && (dates.length === 1 || !leaps)
}
