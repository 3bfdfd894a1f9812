import { type InboundSource, insertInboundEvents, type LedgerEntry, newId, type Trx } from '@parley/db'
import { NotFound } from '@parley/domain'
import { boundedKey } from './bounded-key.ts'
import { laneOf } from './lanes.ts'

/** `thread_key` is null where an event names a message and not its thread: a deletion, mostly. */
export type ReceivedEvent = { dedup_key: string; thread_key: string | null; payload: unknown }

export type AcceptedCount = { accepted: number; duplicates: number }

/** What one request or page brought, as rows of the ledger. */
export function ledgerEntries(
  channel_id: string,
  events: ReceivedEvent[],
  source: InboundSource,
  received_at: Date,
): LedgerEntry[] {
  return events.map(({ dedup_key, thread_key, payload }) => ({
    id: newId(received_at),
    channel_id,
    dedup_key: boundedKey(dedup_key),
    lane: laneOf(thread_key),
    source,
    received_at,
    payload,
  }))
}

/**
 * Writes received events of one channel to the ledger, in the caller's transaction. Once that has committed, the sender
 * may be told so: nothing that stands here is lost. Repeats count as duplicates and change nothing.
 */
export async function acceptInbound(trx: Trx, entries: LedgerEntry[]): Promise<AcceptedCount> {
  const channel_id = entries[0]?.channel_id
  if (!channel_id) return { accepted: 0, duplicates: 0 }
  const { rows } = await insertInboundEvents(entries, [{ channel_id, version: null }]).execute(trx)
  const { stored, channels } = rows[0]!
  if (!channels.includes(channel_id)) throw new NotFound('channel')
  const accepted = stored.length
  return { accepted, duplicates: entries.length - accepted }
}
