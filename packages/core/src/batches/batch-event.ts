import type { MessageBatch, NewEvent } from '@parley/db'
import type { Actor } from '@parley/domain'

/** Who made a batch does what it does. */
export const actorOf = ({ created_by_type: type, created_by_id: id }: MessageBatch) => ({ type, id })

/** What is told of a batch as a whole: to those who see all its inboxes. */
export function batchEvent(
  type: 'message_batch.created' | 'message_batch.finished',
  batch: MessageBatch,
  more: Record<string, unknown>,
  now: Date,
  actor: Actor = actorOf(batch),
): NewEvent {
  const { id: batch_id, action, reason, total, undoes, inbox_ids } = batch
  const about = { batch_id, action, ...(reason && { reason }), total, ...(undoes && { undoes }), inbox_ids }
  return { type, at: now, actor, data: { ...about, ...more } }
}
