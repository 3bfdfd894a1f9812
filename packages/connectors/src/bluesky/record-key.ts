const BASE32_SORTABLE = '234567abcdefghijklmnopqrstuvwxyz'
const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-([89ab][0-9a-f]{3})-([0-9a-f]{12})$/
/** A millisecond has a thousand microseconds, and each of them 1024 clock ids. */
const KEYS_PER_MS = 1000n * 1024n

/**
 * The record key of what a UUIDv7 of ours is about: always the same one, so that a reply that has been sent is found
 * under its key even by a database that was restored from before. A TID (https://atproto.com/specs/tid, read
 * 2026-11-22): 13 characters that sort by the millisecond of the id, its microseconds and clock id from the id's random
 * bits.
 *
 * Two ids of one account get the same key only if they were made in the same millisecond, and then once in 1,024,000
 * times; records of other accounts and collections have keys of their own. `swapRecord: null` makes the later of two
 * such records fail instead of taking the place of the earlier one.
 */
export function recordKey(id: string): string {
  const { ms, random } = partsOf(id)
  const place = random % KEYS_PER_MS
  let rest = ((ms * 1000n + place / 1024n) << 10n) | (place % 1024n)
  let text = ''
  for (let i = 0; i < 13; i++) {
    text = BASE32_SORTABLE[Number(rest & 31n)] + text
    rest >>= 5n
  }
  return text
}

function partsOf(id: string): { ms: bigint; random: bigint } {
  const [, high, low, variant, node] = UUID_V7.exec(id) ?? []
  if (!high || !low || !variant || !node) throw new Error('A record key can be made of a UUIDv7 only')
  return { ms: BigInt(`0x${high}${low}`), random: BigInt(`0x${variant}${node}`) & ((1n << 62n) - 1n) }
}
