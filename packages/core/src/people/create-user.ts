import { appendEvents, insertUser, newId, type Trx, type User } from '@parley/db'
import type { Actor, Role } from '@parley/domain'

/** Adds somebody without a password, for keys to act as and for conversations to belong to. */
export async function createUser(
  trx: Trx,
  draft: { name: string; email: string | null; role: Role },
  actor: Actor,
  now: Date,
): Promise<User> {
  const user = await insertUser(trx, { id: newId(now), ...draft, created_at: now })
  const data = { user_id: user.id, role: user.role }
  await appendEvents(trx, [{ type: 'user.created', at: now, actor, data }])
  return user
}
