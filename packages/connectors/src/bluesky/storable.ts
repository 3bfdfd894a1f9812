/**
 * The same JSON value without what Postgres cannot keep: NUL and lone surrogates become U+FFFD. Anyone may write them
 * into a post or into the names of its fields, and one such post would stop every page it is on.
 */
export function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(UNSTORABLE, '\uFFFD')
  if (Array.isArray(value)) return value.map(storable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name.replace(UNSTORABLE, '\uFFFD'), storable(field)]),
  )
}

// Under the `u` flag a surrogate matches \p{Cs} only when it is not half of a pair.
const UNSTORABLE = /\0|\p{Cs}/gu
