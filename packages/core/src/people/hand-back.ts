import {
  appendEvents,
  type Conversation,
  disown,
  insertAssignments,
  lockOwned,
  type NewEvent,
  newId,
  type OwnedFilter,
  type Trx,
} from '@parley/db'
import { type Actor, SYSTEM } from '@parley/domain'
import { giveUpTasks } from '../tasks.ts'

/**
 * Why somebody lost what they had: they are away, gone, no longer see it, or any of that when a customer wrote again; or
 * they claimed it and did nothing.
 */
type HandBackReason = 'out_of_office' | 'disabled' | 'not_visible' | 'owner_absent' | 'claim_lapsed'

/** Gives conversations back to the queue: nobody owns them then, and the log says so of each. Waits and clocks run on. */
export async function handBack(
  trx: Trx,
  filter: OwnedFilter,
  reason: HandBackReason,
  actor: Actor,
  now: Date,
): Promise<void> {
  await appendEvents(trx, await takeBack(trx, filter, reason, actor, now))
}

/**
 * Conversations that are open again and belong to somebody who is not there to answer go back too. Asks only when there are
 * any that belong to somebody.
 * @returns what to log of them
 */
export async function takeBackReopened(
  trx: Trx,
  reopened: { id: string; assignee_id: string | null }[],
  now: Date,
): Promise<NewEvent[]> {
  const ids = reopened.filter(row => row.assignee_id).map(row => row.id)
  if (ids.length === 0) return []
  return takeBack(trx, { ids, statuses: ['open'], lost: now }, 'owner_absent', SYSTEM, now)
}

async function takeBack(
  trx: Trx,
  filter: OwnedFilter,
  reason: HandBackReason,
  actor: Actor,
  now: Date,
): Promise<NewEvent[]> {
  return leave(trx, await lockOwned(trx, filter), reason, actor, now)
}

/**
 * Leaves conversations to nobody; the caller holds their locks.
 * @returns what to log of them
 */
export async function leave(
  trx: Trx,
  owned: Conversation[],
  reason: HandBackReason,
  actor: Actor,
  now: Date,
): Promise<NewEvent[]> {
  if (owned.length === 0) return []
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
      reason,
    })),
  )
  return owned.map(({ id, assignee_id }) => ({
    type: 'conversation.unassigned' as const,
    at: now,
    actor,
    conversation_id: id,
    data: { assignee_id: null, reason },
    previous: { assignee_id },
  }))
}

/** Gives back what its owners cannot see any more, of one person or in one inbox; their tasks there are nobody's then. */
export async function handBackUnseen(
  trx: Trx,
  of: { user_id: string } | { inbox_id: string },
  actor: Actor,
  now: Date,
): Promise<void> {
  await handBack(trx, { ...of, statuses: ['open', 'pending', 'snoozed'], lost: true }, 'not_visible', actor, now)
  await giveUpTasks(trx, of, actor, now)
}
