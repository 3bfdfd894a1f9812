import { type IcalEvent, leavesOut } from './events.ts'
import { type Budget, expandRule, type Range } from './expand-rule.ts'
import { Unusable } from './refusals.ts'
import { keyOf, type Stamp } from './stamps.ts'

/**
 * When an event happens, as far as it reaches into the range; an event that does not return may also lie behind it.
 * @throws Unusable when all of it is over, or none of it begins within the range
 */
export function occurrencesOf(event: IcalEvent, range: Range, budget: Budget): Stamp[] {
  const { start, length, rules, without, also } = event
  const reaching = { from: range.from - length + 1, to: range.to }
  const recurs = rules.length > 0
  const stamp = (wall: number): Stamp => ({ ...start, wall })
  const expand = (rule: IcalEvent['rules'][number]) =>
    expandRule(rule, start.wall, reaching, budget, start.zone?.wallAt).map(stamp)
  const all = [...(recurs ? rules.flatMap(expand) : [start]), ...also].filter(({ wall }) => wall >= reaching.from)
  if (all.length === 0) throw new Unusable(start.wall >= range.to ? 'later' : 'over')
  const excepted = new Set(without.flatMap(expand).map(keyOf))
  const left = leavesOut(event)
  const unique = new Map(all.map(one => [keyOf(one), one] as const))
  return [...unique].filter(([key, one]) => !excepted.has(key) && !left(one)).map(([, one]) => one)
}
