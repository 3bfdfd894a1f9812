const SPECIAL = /["\\]/
const EACH_SPECIAL = /["\\]/g

/**
 * Parameters as the driver takes them, arrays written out as PostgreSQL reads them. The driver's own writing of arrays
 * takes four times as long, which shows in statements of five hundred rows.
 * @throws TypeError for an array of anything but strings, numbers, booleans, dates and nulls
 */
export function asParameters(values: readonly unknown[]): unknown[] {
  return values.map(value => (Array.isArray(value) ? arrayLiteral(value) : value))
}

/** A one-dimensional array. */
export function arrayLiteral(elements: unknown[]): string {
  let literal = ''
  for (const element of elements) literal += literal === '' ? elementOf(element) : `,${elementOf(element)}`
  return `{${literal}}`
}

function elementOf(element: unknown): string {
  if (typeof element === 'string') return `"${SPECIAL.test(element) ? element.replace(EACH_SPECIAL, '\\$&') : element}"`
  if (element === null || element === undefined) return 'NULL'
  if (typeof element === 'number' || typeof element === 'boolean') return String(element)
  if (element instanceof Date) return `"${element.toISOString()}"`
  throw new TypeError(`an array of ${typeof element} is no parameter`)
}
