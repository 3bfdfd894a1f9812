import { name as nameOf } from '@parley/contracts'
import type ICAL from 'ical.js'
import type { RuleParts } from './expand-rule.ts'
import { Unusable } from './refusals.ts'
import { keyOf, type Stamp, stampsOf, type Zones } from './stamps.ts'
import { DAY_MS } from './wall.ts'
import { textOf } from './zones.ts'

/** One event as it is written; `length` in milliseconds of wall-clock time. */
export type IcalEvent = {
  uid: string
  name: string | undefined
  start: Stamp
  length: number
  cancelled: boolean
  free: boolean
  rules: RuleParts[]
  without: RuleParts[]
  also: Stamp[]
  except: Stamp[]
  /** Which occurrence of the event with that uid it takes the place of. */
  replaces: Stamp | undefined
  /** It also takes the place of those after it. */
  and_later: boolean
}

const MAX_NAME_BYTES = 200

/** What people call it, as names are kept; undefined where there is nothing to read. */
export function eventName(component: ICAL.Component): string | undefined {
  const written = textOf(component, 'summary').toWellFormed().normalize('NFC')
  // Each unit of a text is a byte at least.
  let text = cut(written.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim(), MAX_NAME_BYTES)
  while (Buffer.byteLength(text) > MAX_NAME_BYTES) text = cut(text, text.length - 1)
  return nameOf.safeParse(text.trim()).data
}

/** Without half a character at its end. */
const cut = (text: string, length: number) => text.slice(0, length).replace(/[\ud800-\udbff]$/, '')

/** @throws Unusable */
export function readEvent(component: ICAL.Component, zones: Zones): IcalEvent {
  const all = (property: string) => component.getAllProperties(property)
  const stamps = (property: string) => all(property).flatMap(one => stampsOf(one, zones))
  const rules = (property: string) => all(property).map(one => one.toJSON()[3] as RuleParts)
  const [start] = stamps('dtstart')
  if (!start) throw new Unusable('unreadable')
  const [replaces] = stamps('recurrence-id')
  return {
    uid: textOf(component, 'uid'),
    name: eventName(component),
    start,
    length: lengthOf(component, start, stamps('dtend')[0]),
    cancelled: textOf(component, 'status').toUpperCase() === 'CANCELLED',
    free: textOf(component, 'transp').toUpperCase() === 'TRANSPARENT',
    rules: rules('rrule'),
    without: rules('exrule'),
    also: stamps('rdate'),
    except: stamps('exdate'),
    replaces,
    and_later: component.getFirstProperty('recurrence-id')?.getParameter('range') !== undefined,
  }
}

function lengthOf(component: ICAL.Component, start: Stamp, end: Stamp | undefined): number {
  const duration = component.getFirstPropertyValue('duration')
  if (end) return endWall(start, end) - start.wall
  if (duration) return (duration as ICAL.Duration).toSeconds() * 1000
  // Without an end, a date is that day and a time has no length (RFC 5545, 3.6.1).
  return start.whole_day ? DAY_MS : 0
}

/** The end on the clocks that the start was read from. */
function endWall(start: Stamp, end: Stamp): number {
  if (start.whole_day !== end.whole_day) throw new Unusable('unreadable')
  if (start.zone === end.zone || !start.zone || !end.zone) return end.wall
  return start.zone.wallAt(end.zone.first(end.wall))
}

/** Whether a recurrence leaves a time out; a date leaves out whatever begins on it. */
export function leavesOut(event: IcalEvent): (stamp: Stamp) => boolean {
  const keys = new Set(event.except.map(keyOf))
  return stamp => keys.has(keyOf(stamp)) || keys.has(`date ${Math.floor(stamp.wall / DAY_MS) * DAY_MS}`)
}
