import { type LedgerEvent, reopenParkedEvents, type Trx } from '@parley/db'
import type { Actor } from '@parley/domain'
import {
  decideMany,
  decideOne,
  type ParkedDecision,
  type ParkedOutcomes,
  type ParkedSelection,
} from './decide-parked.ts'

const RETRY: ParkedDecision = { type: 'event.retried', change: reopenParkedEvents }

/**
 * Lets a parked event be tried again with all its attempts, and logs who wanted it. Hint ingest after the commit.
 * @throws NotFound, or DomainError `conflict` when it is not parked any more
 */
export async function retryParked(
  trx: Trx,
  channel_id: string,
  event_id: string,
  actor: Actor,
  now: Date,
): Promise<LedgerEvent> {
  return decideOne(trx, RETRY, channel_id, event_id, actor, now)
}

/** Like retryParked, for many, with an outcome for each. */
export async function retryManyParked(
  trx: Trx,
  channel_id: string,
  selection: ParkedSelection,
  actor: Actor,
  now: Date,
): Promise<ParkedOutcomes> {
  return decideMany(trx, RETRY, channel_id, selection, actor, now)
}
