import {
  appendEvents,
  lockMessageAction,
  type MessageAction,
  type NewEvent,
  type Trx,
  updateMessageAction,
} from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'
import { inBatch } from './batches/in-batch.ts'

/**
 * Takes back what was to be done to a message and has not been begun. Twice is the same as once.
 * @param batch_id the batch that asks for it
 * @throws NotFound, or DomainError `conflict` once a worker has begun with it
 */
export async function cancelAction(
  trx: Trx,
  ids: { message_id: string; action_id: string },
  actor: Actor,
  now: Date,
  batch_id?: string,
): Promise<MessageAction> {
  const action = await lockMessageAction(trx, ids.action_id)
  if (action?.message_id !== ids.message_id) throw new NotFound('action')
  if (action.state === 'cancelled') return action
  if (action.state !== 'queued')
    throw new DomainError('conflict', `Only what is still queued can be taken back. This is ${action.state}.`)
  const { conversation_id, message_id, verb } = action
  const data = { action_id: action.id, message_id, verb }
  const cancelled: NewEvent = { type: 'action.cancelled', at: now, actor, conversation_id, data }
  await appendEvents(trx, inBatch([cancelled], batch_id))
  return updateMessageAction(trx, action.id, { state: 'cancelled', next_attempt_at: null, hold_until: null })
}
