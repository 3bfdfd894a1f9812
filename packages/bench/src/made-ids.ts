/** An id as SQL over a number, of a kind of its own: the same number gives the same id. */
export const uuidOf = (kind: number, n: string) =>
  `('00000000-000${kind}-7000-8000-' || lpad((${n})::text, 12, '0'))::uuid`

/** The same, of a number that is known. */
export const idOf = (kind: number, n: number) => `00000000-000${kind}-7000-8000-${String(n).padStart(12, '0')}`
