import { randomInt } from 'node:crypto'

const BASE32_SORTABLE = '234567abcdefghijklmnopqrstuvwxyz'

/**
 * A record key for a new post: microseconds and a clock id, 13 characters that sort by time
 * (https://atproto.com/specs/tid, read 2026-11-22). Microseconds and all ten bits of the clock id are drawn at random,
 * because many workers write for one account; `TID.nextStr` of @atproto/common-web draws among 32 clock ids only.
 */
export function tid(now: Date): string {
  const microseconds = BigInt(now.getTime()) * 1000n + BigInt(randomInt(1000))
  let rest = (microseconds << 10n) | BigInt(randomInt(1024))
  let text = ''
  for (let i = 0; i < 13; i++) {
    text = BASE32_SORTABLE[Number(rest & 31n)] + text
    rest >>= 5n
  }
  return text
}
