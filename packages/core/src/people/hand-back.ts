import { type Conversation, lockOwned, type NewEvent, type OwnedFilter, type Trx } from '@parley/db'
import { type Actor, SYSTEM } from '@parley/domain'
import { type Handover, ownerEvents, setOwners, writeOwners } from '../set-owner.ts'
import { giveUpTasks } from '../tasks.ts'

/**
 * Why somebody lost what they had: they are away, gone, no longer see it, or any of that when a customer wrote again; or
 * they claimed it and did nothing.
 */
type HandBackReason = 'out_of_office' | 'disabled' | 'not_visible' | 'owner_absent' | 'claim_lapsed'

/** Gives conversations back to the queue: nobody owns them then, and the log says so of each. Waits run on. */
export async function handBack(
  trx: Trx,
  filter: OwnedFilter,
  reason: HandBackReason,
  actor: Actor,
  now: Date,
): Promise<void> {
  await leave(trx, await lockOwned(trx, filter), reason, actor, now)
}

/**
 * Conversations that are open again and belong to somebody who is not there to answer go back too. Asks only when there are
 * any that belong to somebody.
 * @returns what to log of them, and which they are: the caller lets their clocks follow
 */
export async function takeBackReopened(
  trx: Trx,
  reopened: { id: string; assignee_id: string | null }[],
  now: Date,
): Promise<{ ids: Set<string>; events: NewEvent[] }> {
  const ids = reopened.filter(row => row.assignee_id).map(row => row.id)
  if (ids.length === 0) return { ids: new Set(), events: [] }
  const left = toNobody(await lockOwned(trx, { ids, statuses: ['open'], lost: now }), 'owner_absent', SYSTEM)
  if (left.length > 0) await writeOwners(trx, left, now)
  return { ids: new Set(left.map(({ conversation }) => conversation.id)), events: ownerEvents(left, now) }
}

/** Leaves conversations to nobody; the caller holds their locks. */
export async function leave(
  trx: Trx,
  owned: Conversation[],
  reason: HandBackReason,
  actor: Actor,
  now: Date,
): Promise<void> {
  await setOwners(trx, toNobody(owned, reason, actor), now)
}

const toNobody = (owned: Conversation[], reason: HandBackReason, actor: Actor): Handover[] =>
  owned.map(conversation => ({ conversation, to: null, reason, actor }))

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
