import { appendEvents, disown, insertAssignments, lockOwned, newId, type OwnedFilter, type Trx } from '@parley/db'
import type { Actor } from '@parley/domain'

/** Why somebody lost what they had: they are away, gone, or no longer see it. */
export type HandBackReason = 'out_of_office' | 'disabled' | 'not_visible'

/**
 * Gives conversations back to the queue: nobody owns them then, and the log says so of each. Waits and clocks run on.
 * @returns how many
 */
export async function handBack(
  trx: Trx,
  filter: OwnedFilter,
  reason: HandBackReason,
  actor: Actor,
  now: Date,
): Promise<number> {
  const owned = await lockOwned(trx, filter)
  if (owned.length === 0) return 0
  const ids = owned.map(conversation => conversation.id)
  await disown(trx, ids, now)
  await insertAssignments(
    trx,
    owned.map(({ id, assignee_id }) => ({
      id: newId(now),
      conversation_id: id,
      user_id: null,
      previous_user_id: assignee_id,
      actor_type: actor.type,
      actor_id: actor.id,
      assigned_at: now,
    })),
  )
  await appendEvents(
    trx,
    owned.map(({ id, assignee_id }) => ({
      type: 'conversation.unassigned' as const,
      at: now,
      actor,
      conversation_id: id,
      data: { assignee_id: null, reason },
      previous: { assignee_id },
    })),
  )
  return owned.length
}

/** Gives back what its owners cannot see any more, of one person or in one inbox. */
export async function handBackUnseen(
  trx: Trx,
  of: { user_id: string } | { inbox_id: string },
  actor: Actor,
  now: Date,
): Promise<void> {
  await handBack(trx, { ...of, statuses: ['open', 'pending', 'snoozed'], unseen: true }, 'not_visible', actor, now)
}
