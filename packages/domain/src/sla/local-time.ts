import { Temporal } from 'temporal-polyfill'
import { CalendarError } from './calendar-error.ts'

/**
 * Places wall-clock times of one zone on the absolute time line. A wall-clock time is given as the milliseconds that
 * `Date.UTC` would give it; the results are epoch milliseconds.
 */
export type LocalTime = {
  /** Its first occurrence, or the first instant after the gap that skips it: where an opening falls. */
  first: (wall: number) => number
  /** Its last occurrence, or the first instant after the gap that skips it: where a closing falls. */
  last: (wall: number) => number
  /** What the clocks of the zone show at an instant. */
  wallAt: (instant: number) => number
}

/** A stretch of absolute time with one UTC offset; `until` is exclusive. All in milliseconds. */
type Stretch = { from: number; until: number; offset: number }

// No zone has ever been further from UTC: Manila (-15:56) and Alaska (+15:02), both before they changed date.
const MAX_OFFSET = 16 * 3_600_000

/**
 * The name Intl resolves an IANA zone to, aliases and letter case included ('asia/kolkata' gives what this Node.js
 * calls it). Offsets ('+05:00') and ICU's own abbreviations ('IST', 'PST') are no IANA zones.
 * @throws CalendarError `unknown_time_zone`
 */
export function canonicalTimeZone(name: string): string {
  try {
    // Newer engines take offsets as zones; an office keeps a place's hours, not an offset's.
    if (!/^[a-z]/i.test(name)) throw new RangeError('a zone is named after a place')
    // Intl takes the ambiguous ICU abbreviations, Temporal refuses them.
    new Temporal.ZonedDateTime(0n, name)
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone
  } catch (cause) {
    throw new CalendarError('unknown_time_zone', `time_zone: '${name}' is not an IANA time zone`, { cause })
  }
}

/**
 * The wall clock of a zone, where every local time has a place: one that spring skips falls on the first instant after
 * the gap for `first` and `last` alike, one that autumn repeats on its first and its second occurrence.
 * Temporal's own disambiguation shifts a skipped time by the length of the gap instead (02:15 becomes 03:15), which is
 * why only offsets and transitions are taken from it.
 */
export function localTime(time_zone: string): LocalTime {
  // A zone has a few hundred stretches at most, and a walk through ten years finds about twenty.
  const known: Stretch[] = []

  function stretchAt(instant: number): Stretch {
    for (const stretch of known) if (stretch.from <= instant && instant < stretch.until) return stretch
    const stretch = findStretch(time_zone, instant)
    known.push(stretch)
    return stretch
  }

  return {
    first(wall) {
      for (let stretch = stretchAt(wall - MAX_OFFSET); ; stretch = stretchAt(stretch.until)) {
        const instant = Math.max(stretch.from, wall - stretch.offset)
        if (instant < stretch.until) return instant
      }
    },
    last(wall) {
      for (let stretch = stretchAt(wall + MAX_OFFSET); ; stretch = stretchAt(stretch.from - 1)) {
        const instant = Math.min(stretch.until, wall - stretch.offset)
        if (instant >= stretch.from) return instant
      }
    },
    wallAt: instant => instant + stretchAt(instant).offset,
  }
}

/** An instant as a zone's clocks show it: '2026-03-30T09:00:00+02:00'. @throws RangeError for an unknown zone */
export function localText(time_zone: string, instant: Date): string {
  const at = new Temporal.ZonedDateTime(BigInt(instant.getTime()) * 1_000_000n, time_zone)
  return at.toString({ timeZoneName: 'never' })
}

function findStretch(time_zone: string, instant: number): Stretch {
  // One nanosecond on, so that a transition at this very instant counts as the previous one.
  const at = new Temporal.ZonedDateTime(BigInt(instant) * 1_000_000n + 1n, time_zone)
  return {
    from: at.getTimeZoneTransition('previous')?.epochMilliseconds ?? -Infinity,
    until: at.getTimeZoneTransition('next')?.epochMilliseconds ?? Infinity,
    offset: at.offsetNanoseconds / 1_000_000,
  }
}
