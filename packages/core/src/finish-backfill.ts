import {
  appendEvents,
  type Backfill,
  findLatestBackfill,
  lockRunningBackfill,
  type Trx,
  updateBackfill,
} from '@parley/db'
import { type Actor, NotFound } from '@parley/domain'

/** Ends a running backfill that is locked. What it has brought stays. */
export async function finishBackfill(
  trx: Trx,
  backfill: Backfill,
  end: { state: 'done' | 'failed' | 'cancelled'; reason: string | null },
  actor: Actor,
  now: Date,
): Promise<Backfill> {
  const finished = await updateBackfill(trx, backfill.id, { ...end, finished_at: now })
  const { id: backfill_id, channel_id, pages, events } = finished
  const data = { backfill_id, channel_id, pages, events, reason: end.reason }
  await appendEvents(trx, [{ type: `backfill.${end.state}`, at: now, actor, data }])
  return finished
}

/**
 * Cancels the channel's backfill; one that has ended is left as it is.
 * @throws NotFound when there never was one
 */
export async function cancelBackfill(trx: Trx, channel_id: string, actor: Actor, now: Date): Promise<Backfill> {
  const running = await lockRunningBackfill(trx, channel_id)
  if (running) return finishBackfill(trx, running, { state: 'cancelled', reason: null }, actor, now)
  const latest = await findLatestBackfill(trx, channel_id)
  if (!latest) throw new NotFound('backfill')
  return latest
}
