import { createHash } from 'node:crypto'

const MAX_LENGTH = 255
// NUL and half a surrogate pair: JSON delivers them, and Postgres has no text that holds them.
const UNSTORABLE = /\0|\p{Cs}/u

/**
 * Networks set no limit to their ids and an index does: a longer id, or one that is no text to Postgres, is replaced
 * by its hash, the same each time. Ids that fit stay readable as they are.
 */
export function boundedKey(key: string): string {
  if (key.length <= MAX_LENGTH && !UNSTORABLE.test(key)) return key
  return `sha256:${createHash('sha256').update(key).digest('hex')}`
}
