/** What stands where something was erased. */
export const ERASED = '[erased]'

/** Shorter names stand in too many words that mean nobody. */
const MIN_LENGTH = 3
/** Our own ids and times. */
const OURS = /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z)$/

/** What is looked for: what a person is called, and the ids and addresses of their accounts. */
export type Wanted = { names: string[]; ids: string[] }

/** Finds a person in text, and takes them out of it. */
export type Traces = {
  isIn(text: string): boolean
  removedFrom(text: string): string
  /** A JSON value with every text that names the person replaced as a whole. */
  removedFromJson(value: unknown): unknown
  /** Whether any text of a JSON value names the person. */
  isInJson(value: unknown): boolean
}

/** Names and ids count where they stand as whole words, in capitals or not. */
export function tracesOf({ names, ids }: Wanted): Traces {
  const needles = [...new Set([...names, ...ids])].filter(needle => needle.length >= MIN_LENGTH)
  // The longest first: a name may begin with another one.
  const words = needles
    .sort((a, b) => b.length - a.length)
    .map(escapeRegExp)
    .join('|')
  const pattern = words ? new RegExp(`(?<![\\p{L}\\p{N}_])(?:${words})(?![\\p{L}\\p{N}_])`, 'giu') : undefined
  const exact = new Set(ids)
  const isIn = (text: string) =>
    exact.has(text) || (!OURS.test(text) && pattern !== undefined && text.search(pattern) >= 0)
  return {
    isIn,
    removedFrom: text => (pattern ? text.replace(pattern, ERASED) : text),
    removedFromJson: value => mapTexts(value, text => (isIn(text) ? ERASED : text)),
    isInJson: value => someText(value, isIn),
  }
}

/** A JSON value with its texts replaced, by their key and that of what holds it. Keys stay: they are words of a format. */
export function mapTexts(
  value: unknown,
  replace: (text: string, key?: string, within?: string) => string,
  key?: string,
  within?: string,
): unknown {
  if (typeof value === 'string') return replace(value, key, within)
  if (Array.isArray(value)) return value.map(item => mapTexts(item, replace, key, within))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapTexts(item, replace, name, key)]))
}

export function someText(value: unknown, test: (text: string) => boolean): boolean {
  if (typeof value === 'string') return test(value)
  if (Array.isArray(value)) return value.some(item => someText(item, test))
  if (value === null || typeof value !== 'object') return false
  return Object.entries(value).some(([name, item]) => test(name) || someText(item, test))
}

const escapeRegExp = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
