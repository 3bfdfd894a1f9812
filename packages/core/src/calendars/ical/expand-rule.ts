import { RRuleTemporal } from 'rrule-temporal'
import { refused } from './refusals.ts'

/** From, inclusive, to, exclusive, in milliseconds. */
export type Range = { from: number; to: number }

/** Stops what takes too long. @throws DomainError `validation_failed` */
export type Budget = { check: () => void }

/** A recurrence as ical.js hands it out: names in lower case, `until` in ISO form. */
export type RuleParts = Record<string, unknown>

// ical.js has an iterator of its own, which never returns from a rule whose dates do not exist (its issue 1038) and takes
// 30 February for 2 March (2.2.1, tried 2026-11-28); it only reads the rules here.

// Each day of five years; a second on a slow machine.
const MAX_STEPS = 2000
const PARTS = 'freq interval count until wkst bymonth bymonthday byyearday byweekno byday bysetpos'.split(' ')
const FREQUENCIES = ['YEARLY', 'MONTHLY', 'WEEKLY', 'DAILY']

/**
 * The wall-clock times within a range at which a rule returns that starts at `start`, which is always one of them.
 * `wallAt` tells what the clocks of the rule's zone show at an instant; without it, its end is read as local time.
 * @throws DomainError `validation_failed` for a rule that returns more than once a day, or takes too many steps
 */
export function expandRule(
  rule: RuleParts,
  start: number,
  range: Range,
  budget: Budget,
  wallAt: (instant: number) => number = instant => instant,
): number[] {
  budget.check()
  const { until, ...parts } = rule
  if (
    !FREQUENCIES.includes(String(parts.freq)) ||
    Object.keys(parts).some(part => /^by(hour|minute|second)$/.test(part))
  )
    throw refused(`An event returns more often than once a day (${ruleText(parts)}).`)
  const unknown = Object.keys(parts).find(part => !PARTS.includes(part))
  if (unknown) throw refused(`A recurrence has a part that is not known here: ${unknown.toUpperCase().slice(0, 50)}.`)
  const end = until === undefined ? '' : `;UNTIL=${basic(untilWall(String(until), wallAt))}Z`
  const rruleString = `DTSTART;TZID=UTC:${basic(start)}\nRRULE:${ruleText(parts)}${end}`
  const limits = { maxIterations: MAX_STEPS, maxCandidateEvaluations: 10 * MAX_STEPS }
  try {
    const found = new RRuleTemporal({ rruleString, ...limits }).between(new Date(range.from), new Date(range.to), true)
    const walls = [start, ...found.map(({ epochMilliseconds }) => epochMilliseconds)]
    return [...new Set(walls)].filter(wall => wall >= range.from && wall < range.to).sort((a, b) => a - b)
  } catch {
    throw refused(`A recurrence cannot be worked out, or takes too long: ${ruleText(rule)}.`)
  }
}

/** The last wall-clock time that an end lets through; a date means all of it. */
function untilWall(until: string, wallAt: (instant: number) => number): number {
  const at = Date.parse(until.includes('T') ? `${until.replace(/Z$/, '')}Z` : `${until}T23:59:59Z`)
  return until.endsWith('Z') ? wallAt(at) : at
}

const ruleText = (parts: RuleParts) =>
  Object.entries(parts)
    .map(([name, value]) => `${name.toUpperCase()}=${[value].flat().join(',')}`)
    .join(';')
    .slice(0, 300)

/** '20270101T090000' */
const basic = (wall: number) => new Date(wall).toISOString().slice(0, 19).replace(/[-:]/g, '')
