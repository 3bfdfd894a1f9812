import { appendEvents, cancelActionsOn, cancelRepliesTo, isBeingAnswered, leaveUnknownToPeople } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import type { StepWork } from './steps.ts'

const REASON = 'contact_erased'

/** Takes back what is to be said to them, and waits for what is being said. */
export const eraseReplies: StepWork = async (trx, { erasure, everybody, now }) => {
  const replies = await cancelRepliesTo(trx, everybody, REASON)
  const actions = await cancelActionsOn(trx, everybody, REASON)
  await appendEvents(
    trx,
    replies.map(({ id, conversation_id }) => ({
      type: 'reply.cancelled',
      at: now,
      actor: SYSTEM,
      conversation_id,
      data: { message_id: id, reason: REASON },
    })),
  )
  const counts = { replies_cancelled: replies.length, actions_cancelled: actions }
  const busy = await isBeingAnswered(trx, everybody)
  if (!busy) await leaveUnknownToPeople(trx, everybody)
  return busy ? { position: erasure.position, counts, wait: true } : { position: null, counts }
}
