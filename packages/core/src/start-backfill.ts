import { appendEvents, type Backfill, hastenPollTurn, insertBackfill, lockChannel, newId, type Trx } from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'

const LONGEST_MS = 365 * 24 * 3_600_000

/**
 * Asks for a channel's history back to `since`. It is read page by page in the channel's own turns, beside what is new.
 * @throws NotFound, or DomainError `validation_failed`, `channel_not_active`, `backfill_running`
 */
export async function startBackfill(
  trx: Trx,
  { channel_id, since }: { channel_id: string; since: Date },
  actor: Actor,
  now: Date,
): Promise<Backfill> {
  if (since >= now || now.getTime() - since.getTime() > LONGEST_MS) {
    const errors = [{ pointer: '/since', detail: 'must lie within the last 365 days' }]
    throw new DomainError('validation_failed', 'History is read back to a day of the last year.', { errors })
  }
  // Locked, as the turn in progress decides under this lock when the next one is due.
  const channel = await lockChannel(trx, channel_id)
  if (!channel || channel.status === 'deleted') throw new NotFound('channel')
  if (channel.status !== 'active') throw new DomainError('channel_not_active', 'The channel is not active.')
  const id = newId(now)
  const backfill = await insertBackfill(trx, { id, channel_id, since, next_page_at: now, started_at: now })
  if (!backfill) throw new DomainError('backfill_running', "The channel's history is being read already.")
  await hastenPollTurn(trx, channel_id, now)
  const data = { backfill_id: id, channel_id, since }
  await appendEvents(trx, [{ type: 'backfill.started', at: now, actor, data }])
  return backfill
}
