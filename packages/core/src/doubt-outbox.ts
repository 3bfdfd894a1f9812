import { appendEvents, currentSendEpoch, doubtOldOutbox, type Trx } from '@parley/db'
import { SYSTEM } from '@parley/domain'

const MOVED = 'It was queued before this database was restored, and may have been fetched. Send it again, or leave it.'

/**
 * Leaves to a person what waits in outboxes since before the database was restored: its integration may have fetched it
 * from the other one. It is not offered meanwhile either.
 */
export async function doubtOutbox(trx: Trx, now: Date): Promise<void> {
  const old = await doubtOldOutbox(trx, await currentSendEpoch(trx), MOVED)
  const event = { type: 'reply.unknown' as const, at: now, actor: SYSTEM }
  await appendEvents(
    trx,
    old.map(({ id, conversation_id }) => ({ ...event, conversation_id, data: { message_id: id, reason: MOVED } })),
  )
}
