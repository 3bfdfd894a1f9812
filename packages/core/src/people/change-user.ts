import {
  appendEvents,
  closePasswordResets,
  lockAdmins,
  lockUser,
  type NewEvent,
  revokeApiKeysOf,
  type Trx,
  type User,
  updateUser,
} from '@parley/db'
import { type Actor, DomainError, NotFound, type Role, type UserStatus } from '@parley/domain'
import { giveUpTasks } from '../tasks.ts'
import { handBack, handBackUnseen } from './hand-back.ts'

export type UserChange = {
  name?: string | undefined
  email?: string | null | undefined
  role?: Role | undefined
  status?: UserStatus | undefined
  languages?: string[] | undefined
  skills?: string[] | undefined
  capacity?: number | null | undefined
}

/**
 * Changes what is known of a person, what they may do, or whether they may do anything. A role counts from the next call
 * on. Who is disabled loses sessions and keys at once, and what they own goes back to the queue.
 * @throws NotFound, or DomainError `conflict` for the last administrator, who stays one
 */
export async function changeUser(trx: Trx, id: string, change: UserChange, actor: Actor, now: Date): Promise<User> {
  const decisive = change.role !== undefined || change.status !== undefined
  // Before the person's own row, always: two who take each other's role away wait here and not for each other.
  const admins = decisive ? await lockAdmins(trx) : []
  const present = await lockUser(trx, id)
  if (!present) throw new NotFound('user')
  const given = (Object.entries(change) as [keyof UserChange, unknown][]).filter(
    ([field, value]) => value !== undefined && JSON.stringify(value) !== JSON.stringify(present[field]),
  )
  if (given.length === 0) return present
  const changed = Object.fromEntries(given) as UserChange
  const previous = Object.fromEntries(given.map(([field]) => [field, present[field]]))
  const role = changed.role ?? present.role
  const status = changed.status ?? present.status
  const remains = role === 'admin' && status === 'active'
  if (!remains && admins.length === 1 && admins[0] === id) {
    throw new DomainError('conflict', 'This is the last administrator; make somebody else one first.')
  }
  const { status: moved, ...rest } = changed
  const events: NewEvent[] = []
  if (Object.keys(rest).length > 0) {
    const { status: _, ...before } = previous
    events.push({ type: 'user.updated', at: now, actor, data: { user_id: id, ...rest }, previous: before })
  }
  if (moved) {
    const type = moved === 'disabled' ? 'user.disabled' : 'user.enabled'
    events.push({ type, at: now, actor, data: { user_id: id } })
  }
  await appendEvents(trx, events)
  const ends = moved === 'disabled' ? { session_epoch: present.session_epoch + 1 } : {}
  const user = await updateUser(trx, id, { ...changed, ...ends })
  if (moved === 'disabled') await shutOut(trx, id, actor, now)
  else if (changed.role) await handBackUnseen(trx, { user_id: id }, actor, now)
  return user
}

/** Sessions have ended with their epoch; this ends the rest. */
async function shutOut(trx: Trx, user_id: string, actor: Actor, now: Date): Promise<void> {
  const keys = await revokeApiKeysOf(trx, user_id, now)
  await appendEvents(
    trx,
    keys.map(({ id }) => ({ type: 'api_key.revoked' as const, at: now, actor, data: { api_key_id: id, user_id } })),
  )
  await closePasswordResets(trx, user_id, now)
  const statuses = ['open' as const, 'pending' as const, 'snoozed' as const]
  await handBack(trx, { user_id, statuses }, 'disabled', actor, now)
  await giveUpTasks(trx, { user_id }, actor, now)
}
