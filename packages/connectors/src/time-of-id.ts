const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7/

/** When one of our ids, a UUIDv7, was made. */
export function timeOfId(id: string): Date {
  const [, high, low] = UUID_V7.exec(id) ?? []
  if (!high || !low) throw new Error('Only a UUIDv7 tells when it was made')
  return new Date(Number.parseInt(high + low, 16))
}
