import type ICAL from 'ical.js'
import { Unusable } from './refusals.ts'
import { wallOf } from './wall.ts'
import { type EventZone, UTC } from './zones.ts'

/** A date, or a wall-clock time of a zone; `zone` null: whatever the clocks show where it is read. */
export type Stamp = { wall: number; whole_day: boolean; zone: EventZone | null }
export type Zones = (tzid: string) => EventZone | undefined

/** @throws Unusable */
export function stampsOf(property: ICAL.Property, zones: Zones): Stamp[] {
  const [, , , ...values] = property.toJSON() as unknown as [string, unknown, string, ...(string | string[])[]]
  const tzid = property.getParameter('tzid')
  return values.map(value => {
    // A period is a start and an end: the event's own length counts.
    const text = typeof value === 'string' ? value : String(value[0])
    const wall = wallOf(text)
    if (wall === undefined) throw new Unusable('unreadable')
    if (!text.includes('T')) return { wall, whole_day: true, zone: null }
    if (text.endsWith('Z')) return { wall, whole_day: false, zone: UTC }
    if (typeof tzid !== 'string') return { wall, whole_day: false, zone: null }
    const zone = zones(tzid)
    if (!zone) throw new Unusable('unknown_time_zone')
    return { wall, whole_day: false, zone }
  })
}

/** What tells two times apart: of a zone by the instant, of none by what the clocks show. */
export function keyOf({ wall, whole_day, zone }: Stamp): string {
  if (whole_day) return `date ${wall}`
  return zone ? `instant ${zone.first(wall)}` : `local ${wall}`
}
