import { appendEvents, findNotification, markNotificationsRead, type Trx } from '@parley/db'
import { type Actor, DomainError } from '@parley/domain'

/**
 * Marks as read what somebody was told: these, or all up to one of them. What is read already, or somebody else's, changes
 * nothing.
 * @throws DomainError `validation_failed` when `up_to` names none of theirs
 */
export async function readNotifications(
  trx: Trx,
  user_id: string,
  which: { ids: string[] } | { up_to: string },
  actor: Actor,
  now: Date,
): Promise<void> {
  if ('up_to' in which && !(await findNotification(trx, user_id, which.up_to))) {
    throw new DomainError('validation_failed', 'up_to names no notification of yours.')
  }
  const read = await markNotificationsRead(trx, user_id, which, now)
  if (read.length === 0) return
  const data = { user_id, ...('up_to' in which ? { up_to: which.up_to } : { notification_ids: read }) }
  await appendEvents(trx, [{ type: 'notification.read', at: now, actor, data }])
}
