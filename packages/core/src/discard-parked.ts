import { discardParkedEvents, type LedgerEvent, type Trx } from '@parley/db'
import type { Actor } from '@parley/domain'
import {
  decideMany,
  decideOne,
  type ParkedDecision,
  type ParkedOutcomes,
  type ParkedSelection,
} from './decide-parked.ts'

const discard = (now: Date): ParkedDecision => ({
  type: 'event.discarded',
  change: (trx, channel_id, ids) => discardParkedEvents(trx, channel_id, ids, now),
})

/**
 * Closes a parked event without a message. Its row, error and payload stay until the ledger forgets them, and the log
 * keeps for ever who discarded it and why it was parked.
 * @throws NotFound, or DomainError `conflict` when it is not parked any more
 */
export async function discardParked(
  trx: Trx,
  channel_id: string,
  event_id: string,
  actor: Actor,
  now: Date,
): Promise<LedgerEvent> {
  return decideOne(trx, discard(now), channel_id, event_id, actor, now)
}

/** Like discardParked, for many, with an outcome for each. */
export async function discardManyParked(
  trx: Trx,
  channel_id: string,
  selection: ParkedSelection,
  actor: Actor,
  now: Date,
): Promise<ParkedOutcomes> {
  return decideMany(trx, discard(now), channel_id, selection, actor, now)
}
