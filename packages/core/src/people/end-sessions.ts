import { appendEvents, lockUser, revokeSession, type Session, type Trx, updateUser } from '@parley/db'
import { type Actor, NotFound } from '@parley/domain'

/** Ends one session of a person; ending it again changes nothing. @throws NotFound for one that is not theirs */
export async function endSession(trx: Trx, user_id: string, id: string, actor: Actor, now: Date): Promise<Session> {
  const session = await revokeSession(trx, user_id, id, now)
  if (!session) throw new NotFound('session')
  // An earlier end stands in the row.
  if (session.revoked_at?.getTime() === now.getTime()) {
    await appendEvents(trx, [{ type: 'session.revoked', at: now, actor, data: { session_id: id, user_id } }])
  }
  return session
}

/** Ends all sessions of a person at once. @throws NotFound */
export async function endAllSessions(trx: Trx, user_id: string, actor: Actor, now: Date): Promise<void> {
  const user = await lockUser(trx, user_id)
  if (!user) throw new NotFound('user')
  await updateUser(trx, user_id, { session_epoch: user.session_epoch + 1 })
  await appendEvents(trx, [{ type: 'session.revoked', at: now, actor, data: { user_id, all: true } }])
}
