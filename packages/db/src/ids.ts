import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

const RANDOM_BYTES = 16
// One call for random bytes costs 5 µs whatever their number, so they are fetched for 256 ids at a time.
const pool = Buffer.alloc(256 * RANDOM_BYTES)
let used = pool.length

/** A UUIDv7 of that moment: made by the application, roughly in order of creation. */
export function newId(now: Date): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += RANDOM_BYTES
  return v7({ msecs: now.getTime(), random: pool.subarray(used - RANDOM_BYTES, used) })
}
