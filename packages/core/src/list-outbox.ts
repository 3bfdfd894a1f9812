import { appendEvents, currentSendEpoch, doubtOldOutbox, listQueuedReplies, type Trx } from '@parley/db'
import { SYSTEM } from '@parley/domain'

const MOVED = 'It was queued before this database was restored, and may have been fetched. Send it again, or leave it.'

/**
 * What an integration is to carry to its network, oldest first. What was queued before the database was restored is left
 * to a person: the integration may have fetched it from the other one.
 */
export async function listOutbox(
  trx: Trx,
  channel_id: string,
  page: Parameters<typeof listQueuedReplies>[2],
  now: Date,
): ReturnType<typeof listQueuedReplies> {
  const old = await doubtOldOutbox(trx, channel_id, await currentSendEpoch(trx), MOVED)
  const event = { type: 'reply.unknown' as const, at: now, actor: SYSTEM }
  await appendEvents(
    trx,
    old.map(({ id, conversation_id }) => ({ ...event, conversation_id, data: { message_id: id, reason: MOVED } })),
  )
  return listQueuedReplies(trx, channel_id, page, now)
}
