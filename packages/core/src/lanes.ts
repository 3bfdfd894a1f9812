import { crc32 } from 'node:zlib'

/** How many drains may work on one channel side by side. Stored with each event: changing it needs an empty ledger. */
const LANES = 4

export const ALL_LANES = Array.from({ length: LANES }, (_, lane) => lane)

/** The lane of a thread: events of one thread share it, so their order is kept. */
export function laneOf(thread_key: string | null): number {
  return thread_key === null ? 0 : crc32(thread_key) % LANES
}
