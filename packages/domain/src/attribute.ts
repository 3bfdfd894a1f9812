export const ATTRIBUTE_SUBJECTS = ['conversation', 'contact'] as const
export type AttributeSubject = (typeof ATTRIBUTE_SUBJECTS)[number]

export const ATTRIBUTE_TYPES = ['text', 'number', 'boolean', 'date', 'select'] as const
export type AttributeType = (typeof ATTRIBUTE_TYPES)[number]

export type AttributeValue = string | number | boolean
/** Of those that are named: null takes one away. */
export type AttributeChanges = Record<string, AttributeValue | null>

/** In characters as people count code points. */
export const MAX_ATTRIBUTE_TEXT = 1_000

/** Why a value is none of that type; undefined where it is one. */
export function attributeProblem(
  { type, options }: { type: AttributeType; options: string[] | null },
  value: AttributeValue,
): string | undefined {
  switch (type) {
    case 'text':
      if (typeof value !== 'string') return 'must be a text'
      return [...value].length > MAX_ATTRIBUTE_TEXT ? `must be at most ${MAX_ATTRIBUTE_TEXT} characters` : undefined
    case 'number':
      return Number.isFinite(value) ? undefined : 'must be a number'
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'must be true or false'
    case 'date':
      return isDate(value) ? undefined : 'must be a date such as 2026-12-24'
    case 'select':
      return typeof value === 'string' && options?.includes(value) ? undefined : 'must be one of the options'
    default:
      return type satisfies never
  }
}

/** A day that there is, of the years 0001 to 9999. */
function isDate(value: AttributeValue): boolean {
  if (typeof value !== 'string' || !/^(?!0000)\d{4}-\d\d-\d\d$/.test(value)) return false
  const day = new Date(`${value}T00:00:00Z`)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(value)
}

/**
 * The value that a filter means by a text; undefined where no value of that type is written so. An option that was taken
 * out of the list can still be looked for: what had it has it.
 */
export function attributeValueOf(type: AttributeType, text: string): AttributeValue | undefined {
  const value = type === 'number' ? numberOf(text) : type === 'boolean' ? booleanOf(text) : text
  if (value === undefined || type === 'select') return value
  return attributeProblem({ type, options: null }, value) ? undefined : value
}

const booleanOf = (text: string) => (text === 'true' || text === 'false' ? text === 'true' : undefined)
const numberOf = (text: string) => (/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined)
