import { canonicalTimeZone, localTime } from '@parley/domain'
import type ICAL from 'ical.js'
import { type Budget, expandRule, type Range, type RuleParts } from './expand-rule.ts'
import { wallOf } from './wall.ts'

/** Where wall-clock times stand on the time line, and back; in milliseconds. `name` is its IANA zone, if it is one. */
export type EventZone = { name: string | null; first: (wall: number) => number; wallAt: (instant: number) => number }

export const UTC: EventZone = { name: 'UTC', first: wall => wall, wallAt: instant => instant }

/**
 * The zones that a calendar's times name: IANA's by their names, and others by the rules that the calendar gives.
 * Undefined for a name that means nothing here.
 */
export function readZones(
  calendar: ICAL.Component,
  range: Range,
  budget: Budget,
): (tzid: string) => EventZone | undefined {
  const known = new Map<string, EventZone | undefined>()
  const described = new Map(
    calendar.getAllSubcomponents('vtimezone').map(zone => [textOf(zone, 'tzid'), zone] as const),
  )
  return tzid => {
    if (!known.has(tzid)) known.set(tzid, findZone(tzid, described.get(tzid), range, budget))
    return known.get(tzid)
  }
}

function findZone(
  tzid: string,
  described: ICAL.Component | undefined,
  range: Range,
  budget: Budget,
): EventZone | undefined {
  const place = described && textOf(described, 'x-lic-location')
  const own = () => (described ? zoneOfRules(described, range, budget) : undefined)
  return ianaZone(tzid) ?? (place ? ianaZone(place) : undefined) ?? own() ?? ianaZone(withoutPrefix(tzid))
}

/** '/example.org/2025/Europe/Berlin': what stands before the name says who wrote it down. */
function withoutPrefix(tzid: string): string {
  return /^\/.*?\/([A-Z][A-Za-z]+\/[A-Za-z_+/-]+)$/.exec(tzid)?.[1] ?? ''
}

function ianaZone(text: string): EventZone | undefined {
  try {
    const name = canonicalTimeZone(text)
    return { name, ...localTime(name) }
  } catch {
    return undefined
  }
}

type Turn = { at: number; before: number; after: number }

/** A zone by its own rules: each standard and daylight time says when it begins, and what is added to UTC from then on. */
function zoneOfRules(described: ICAL.Component, range: Range, budget: Budget): EventZone | undefined {
  const turns = described
    .getAllSubcomponents()
    .flatMap(part => turnsOf(part, range, budget))
    .sort((a, b) => a.at - b.at)
  const [first] = turns
  if (!first) return undefined
  const stretches = [
    { from: -Infinity, until: first.at, offset: first.before },
    ...turns.map(({ at, after }, index) => ({ from: at, until: turns[index + 1]?.at ?? Infinity, offset: after })),
  ]
  return {
    name: null,
    first(wall) {
      const stretch = stretches.find(({ from, until, offset }) => Math.max(from, wall - offset) < until)!
      return Math.max(stretch.from, wall - stretch.offset)
    },
    wallAt: instant => instant + stretches.find(({ until }) => instant < until)!.offset,
  }
}

function turnsOf(part: ICAL.Component, { from, to }: Range, budget: Budget): Turn[] {
  const start = part.getFirstProperty('dtstart')
  const [before, after] = [offsetOf(part, 'tzoffsetfrom'), offsetOf(part, 'tzoffsetto')]
  const begins = start ? wallOf(String(start.toJSON()[3])) : undefined
  if (begins === undefined || before === undefined || after === undefined) return []
  const year = 366 * 86_400_000
  const rules = part.getAllProperties('rrule').map(rule => rule.toJSON()[3] as RuleParts)
  const walls = rules.flatMap(rule =>
    expandRule(rule, begins, { from: from - year, to: to + year }, budget, instant => instant + before),
  )
  const others = part
    .getAllProperties('rdate')
    .flatMap(dates => (dates.toJSON() as unknown[]).slice(3).map(date => wallOf(String(date))))
  return [...new Set([begins, ...walls, ...others])].flatMap(wall =>
    wall === undefined ? [] : [{ at: wall - before, before, after }],
  )
}

/** '-04:30' in milliseconds. */
function offsetOf(part: ICAL.Component, name: string): number | undefined {
  const match = /^([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(String(part.getFirstProperty(name)?.toJSON()[3] ?? ''))
  if (!match) return undefined
  const [, sign, hours, minutes, seconds = '0'] = match
  return (sign === '-' ? -1000 : 1000) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
}

export function textOf(component: ICAL.Component, name: string): string {
  const value: unknown = component.getFirstProperty(name)?.toJSON()[3]
  return typeof value === 'string' ? value : ''
}
