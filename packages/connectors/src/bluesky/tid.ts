import { randomInt } from 'node:crypto'

const BASE32_SORTABLE = '234567abcdefghijklmnopqrstuvwxyz'
/** A millisecond has a thousand microseconds, and each of them 1024 clock ids. */
const KEYS_PER_MS = 1000 * 1024

let next = randomInt(KEYS_PER_MS)

/**
 * A record key for a new post: microseconds and a clock id, 13 characters that sort by millisecond
 * (https://atproto.com/specs/tid, read 2026-11-22). Within a millisecond this process counts through all keys from a
 * random place on: it never makes one twice, which would put one post over another, and several workers that write for
 * one account start far apart. `TID.nextStr` of @atproto/common-web draws among 32 clock ids only.
 */
export function tid(now: Date): string {
  next = (next + 1) % KEYS_PER_MS
  const microseconds = BigInt(now.getTime()) * 1000n + BigInt(Math.floor(next / 1024))
  let rest = (microseconds << 10n) | BigInt(next % 1024)
  let text = ''
  for (let i = 0; i < 13; i++) {
    text = BASE32_SORTABLE[Number(rest & 31n)] + text
    rest >>= 5n
  }
  return text
}
