import { setImmediate } from 'node:timers/promises'
import type { HolidaySkipReason } from '@parley/contracts'
import type { Holiday } from '@parley/domain'
import type ICAL from 'ical.js'
import { closedHours } from '../closed-hours.ts'
import { eventName, type IcalEvent, readEvent } from './events.ts'
import type { Budget, Range } from './expand-rule.ts'
import { occurrencesOf } from './occurrences.ts'
import { parseIcal } from './parse.ts'
import { refused, Unusable } from './refusals.ts'
import { keyOf, type Stamp, stampsOf } from './stamps.ts'
import { DAY_MS } from './wall.ts'
import { yearlyOf } from './yearly.ts'
import { readZones } from './zones.ts'

/** Which of a calendar's years recurrences are worked out for: this one and the next four. */
const YEARS = 5
const MAX_DAYS = 1000
const MAX_TIMES = 5000
const MAX_MS = 5000

/** When an event closes; where it returns on the same dates each year, `yearly` says so of the first time. */
export type Closure = {
  name: string | undefined
  length: number
  times: Stamp[]
  yearly: Stamp | undefined
}
export type SkippedHoliday = { name: string | null; date: string | null; reason: HolidaySkipReason }
export type IcalClosures = { closures: Closure[]; skipped: SkippedHoliday[] }

/**
 * Reads the events of an iCalendar text (RFC 5545). Whole days and times stay as they are written until closuresIn
 * places them in a calendar's zone. Gives way to others while it works.
 * @throws DomainError `validation_failed` for what is no iCalendar, or takes more than `MAX_MS`
 */
export async function readIcal(text: string, now: Date, monotonicMs: () => number): Promise<IcalClosures> {
  const year = now.getUTCFullYear()
  const range = { from: Date.UTC(year), to: Date.UTC(year + YEARS) }
  const until = monotonicMs() + MAX_MS
  const budget: Budget = {
    check() {
      if (monotonicMs() > until) throw refused('The recurrences of this calendar take too long to work out.')
    },
  }
  const found: IcalClosures = { closures: [], skipped: [] }
  let times = 0
  for (const calendar of parseIcal(text)) {
    const events = await readEvents(calendar, range, budget, found.skipped)
    const overrides = events.filter(({ replaces }) => replaces)
    for (const event of events) {
      await setImmediate()
      budget.check()
      const others = event.replaces ? [] : overrides.filter(({ uid }) => uid === event.uid)
      useOrSkip(found.skipped, event.name, event.start, () => {
        const closure = closureOf(event, others, range, budget)
        times += closure.times.length
        if (times > MAX_TIMES) throw refused(`These events happen more than ${MAX_TIMES} times in ${YEARS} years.`)
        found.closures.push(closure)
      })
    }
  }
  return found
}

/** What an event closes in a calendar of that zone. */
export function holidaysOf({ name, length, times, yearly }: Closure, zone: PlacingZone): Holiday[] {
  const here = yearly && (yearly.whole_day || !yearly.zone || yearly.zone.name === zone.name)
  if (here)
    return closedHours(yearly.wall, yearly.wall + length, name).map(({ date, ...rest }) => ({
      date: date.slice(-'MM-DD'.length),
      ...rest,
    }))
  return times.flatMap(({ wall, whole_day, zone: written }) => {
    if (whole_day) return closedHours(wall, wall + length, name)
    const place = written ?? zone
    const [start, end] = [wall, wall + length].map(time => zone.wallAt(place.first(time))) as [number, number]
    // Where clocks are set back meanwhile, the end may be shown before the start.
    return start < end ? closedHours(start, end, name) : closedHours(end, Math.max(start, end + 1), name)
  })
}
export type PlacingZone = { name: string; first: (wall: number) => number; wallAt: (instant: number) => number }

async function readEvents(calendar: ICAL.Component, range: Range, budget: Budget, skipped: SkippedHoliday[]) {
  const zones = readZones(calendar, range, budget)
  const events: IcalEvent[] = []
  for (const component of calendar.getAllSubcomponents('vevent')) {
    await setImmediate()
    budget.check()
    useOrSkip(skipped, eventName(component), startOf(component), () => {
      events.push(readEvent(component, zones))
    })
  }
  return events
}

function closureOf(event: IcalEvent, others: IcalEvent[], range: Range, budget: Budget): Closure {
  const { name, start, length, cancelled, free, replaces, and_later } = event
  if (replaces && and_later) throw new Unusable('range_unsupported')
  if (cancelled) throw new Unusable('cancelled')
  if (free) throw new Unusable('free')
  if (length <= 0) throw new Unusable('no_length')
  if (length > MAX_DAYS * DAY_MS) throw refused(`The event '${name ?? ''}' lasts more than ${MAX_DAYS} days.`)
  const instead = new Set(others.flatMap(other => (other.and_later ? [] : [keyOf(other.replaces!)])))
  const yearly = instead.size === 0 ? yearlyOf(event, range) : undefined
  const all = yearly && start.whole_day ? [] : occurrencesOf(event, range, budget)
  return { name, length, yearly, times: all.filter(stamp => !instead.has(keyOf(stamp))) }
}

function startOf(component: ICAL.Component): Stamp | undefined {
  try {
    const property = component.getFirstProperty('dtstart')
    return property ? stampsOf(property, () => undefined)[0] : undefined
  } catch {
    return undefined
  }
}

function useOrSkip(skipped: SkippedHoliday[], name: string | undefined, start: Stamp | undefined, use: () => void) {
  try {
    use()
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    const date = start ? new Date(start.wall).toISOString().slice(0, 'YYYY-MM-DD'.length) : null
    skipped.push({ name: name ?? null, date, reason: error.reason })
  }
}
