import { type AttributeType, type AttributeValue, attributeProblem } from '../attribute.ts'

/** Numbers or days from one up to another, both among them. */
export type AttributeRange = {
  at_least?: number | string | undefined
  at_most?: number | string | undefined
}
/** A value, one of several, or a range. */
export type AttributeCondition = AttributeValue | AttributeValue[] | AttributeRange

const isRange = (wanted: AttributeCondition): wanted is AttributeRange =>
  typeof wanted === 'object' && !Array.isArray(wanted)

/** Whether a value is what is asked for. One that is not there is not, and neither is one of another type. */
export function isAttribute(wanted: AttributeCondition, value: unknown): boolean {
  if (isRange(wanted)) return isWithin(wanted, value)
  return (Array.isArray(wanted) ? wanted : [wanted]).some(one => one === value)
}

/** Days are compared as they are written: 2026-12-24 comes before 2027-01-01. */
function isWithin({ at_least, at_most }: AttributeRange, value: unknown): boolean {
  if (typeof value !== 'number' && typeof value !== 'string') return false
  const alike = [at_least, at_most].every(bound => bound === undefined || typeof bound === typeof value)
  return alike && (at_least === undefined || value >= at_least) && (at_most === undefined || value <= at_most)
}

/** Why an attribute of that type can never be what is asked for; undefined where it can. */
export function attributeConditionProblem(
  definition: { type: AttributeType; options: string[] | null },
  wanted: AttributeCondition,
): string | undefined {
  const problemOf = (value: AttributeValue) => attributeProblem(definition, value)
  if (!isRange(wanted)) return (Array.isArray(wanted) ? wanted : [wanted]).map(problemOf).find(Boolean)
  if (definition.type !== 'number' && definition.type !== 'date')
    return 'has no order, so it takes values and no at_least or at_most'
  const { at_least, at_most } = wanted
  const problem = [at_least, at_most].flatMap(bound => (bound === undefined ? [] : problemOf(bound))).find(Boolean)
  if (problem || at_least === undefined || at_most === undefined) return problem
  return at_least > at_most ? 'has an at_least that lies above its at_most' : undefined
}
