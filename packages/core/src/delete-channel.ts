import {
  appendEvents,
  findChannel,
  lockChannel,
  lockRunningBackfill,
  type NewEvent,
  stopActions,
  stopReplies,
  type Trx,
  updateChannel,
} from '@parley/db'
import { type Actor, NotFound } from '@parley/domain'
import { inBatch } from './batches/in-batch.ts'
import { finishBackfill } from './finish-backfill.ts'

const REASON = 'The channel was deleted.'

/**
 * Lets go of a connected account. Its credentials are wiped and nothing more is read or sent; its conversations and
 * messages stay, and so does what had not been sent, as cancelled. What has been received already still becomes
 * messages.
 * @param nothing_sealed what stands in the place of the credentials
 * @throws NotFound, also when it was deleted before
 */
export async function deleteChannel(
  trx: Trx,
  id: string,
  nothing_sealed: Buffer,
  actor: Actor,
  now: Date,
): Promise<void> {
  const found = await findChannel(trx, id)
  if (!found || found.status === 'deleted') throw new NotFound('channel')
  // Before the channel's own row: whoever records what came of a reply locks in this order too.
  const stopped = await stopReplies(trx, id, REASON)
  const actions = await stopActions(trx, id, REASON)
  const channel = await lockChannel(trx, id)
  if (!channel || channel.status === 'deleted') throw new NotFound('channel')
  await updateChannel(trx, id, {
    status: 'deleted',
    status_reason: null,
    credentials_sealed: nothing_sealed,
    session_sealed: null,
    session_lease_until: null,
    cursor: null,
    // A worker that is reading from the network loses its turn, and nobody takes another.
    poll_turn: null,
    next_poll_at: null,
    head_due_at: null,
    resume_at: null,
  })
  const backfill = await lockRunningBackfill(trx, id)
  if (backfill) await finishBackfill(trx, backfill, { state: 'cancelled', reason: REASON }, actor, now)
  const events = stopped
    .filter(({ state, was }) => state !== was)
    .map(({ id: message_id, conversation_id, state }): NewEvent => {
      const type = state === 'cancelled' ? 'reply.cancelled' : 'reply.unknown'
      return { type, at: now, actor, conversation_id, data: { message_id, reason: REASON } }
    })
  const undone = actions.flatMap(({ id: action_id, message_id, conversation_id, verb, state, batch_id }) => {
    const type = state === 'cancelled' ? 'action.cancelled' : 'action.unknown'
    const data = { action_id, message_id, verb, reason: REASON }
    return inBatch([{ type, at: now, actor, conversation_id, data }], batch_id)
  })
  const data = { channel_id: id, kind: channel.kind }
  await appendEvents(trx, [
    ...events,
    ...undone,
    { type: 'channel.deleted', at: now, actor, data, previous: { status: channel.status } },
  ])
}
