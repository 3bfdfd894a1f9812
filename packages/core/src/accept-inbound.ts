import { insertInboundEvents, newId, type Trx } from '@parley/db'
import { boundedKey } from './bounded-key.ts'

export type ReceivedEvent = { dedup_key: string; payload: unknown }

/**
 * Writes received events to the ledger, in the caller's transaction. Once that has committed, the sender may be told
 * so: nothing that stands here is lost. Repeats count as duplicates and change nothing.
 */
export async function acceptInbound(
  trx: Trx,
  channel_id: string,
  events: ReceivedEvent[],
  received_at: Date,
): Promise<{ accepted: number; duplicates: number }> {
  if (events.length === 0) return { accepted: 0, duplicates: 0 }
  const entries = events.map(({ dedup_key, payload }) => ({
    id: newId(received_at),
    channel_id,
    dedup_key: boundedKey(dedup_key),
    payload,
    received_at,
  }))
  const stored = await insertInboundEvents(trx, entries)
  return { accepted: stored.length, duplicates: entries.length - stored.length }
}
