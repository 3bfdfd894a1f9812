import {
  appendEvents,
  type Database,
  findUser,
  keepSession,
  lockUser,
  type Trx,
  type User,
  updateUser,
} from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'
import { hashPassword, verifyPassword } from './passwords.ts'
import { attemptBy, beginAttempt, forgiveAttempt } from './throttle-login.ts'
import { tooEarly } from './too-early.ts'

/** The present password has to be told once more; guesses at it count like those at the door. */
export type Proof = { user_id: string; password: string; address: string }

/**
 * Makes sure that whoever calls knows the password, so that an open screen is not enough.
 * @throws NotFound, DomainError `validation_failed` for a wrong password, `too_many_attempts`, `too_busy`
 */
export async function provePassword(db: Database, workspace_id: string, proof: Proof, now: Date): Promise<User> {
  const user = await db.inWorkspace(workspace_id, trx => findUser(trx, proof.user_id))
  if (!user) throw new NotFound('user')
  const attempt = attemptBy(user.email ?? user.id, proof.address)
  const retry_at = await beginAttempt(db, attempt, now)
  if (retry_at) throw tooEarly(retry_at, now)
  if (!(await verifyPassword(user.password_hash, proof.password))) {
    throw new DomainError('validation_failed', 'This is not your password.', {
      errors: [{ pointer: '/password', detail: 'is not your password' }],
    })
  }
  await forgiveAttempt(db, attempt, true)
  return user
}

/**
 * Makes the step that gives somebody another password. All their sessions end by it but the one it is done in.
 * @param seen the person as they proved to be
 */
export async function preparePasswordChange(seen: User, password: string) {
  const password_hash = await hashPassword(password)
  return async (trx: Trx, session_id: string | null, actor: Actor, now: Date): Promise<void> => {
    const user = await lockUser(trx, seen.id)
    if (user?.password_hash !== seen.password_hash) {
      throw new DomainError('conflict', 'The password has just been changed by somebody else.')
    }
    await setPassword(trx, user, password_hash, actor, now)
    if (session_id) await keepSession(trx, session_id, user.session_epoch + 1)
  }
}

/** Stores a password and ends all sessions; the caller holds the row's lock. */
export async function setPassword(trx: Trx, user: User, password_hash: string, actor: Actor, now: Date): Promise<void> {
  const session_epoch = user.session_epoch + 1
  await updateUser(trx, user.id, { password_hash, password_changed_at: now, session_epoch })
  await appendEvents(trx, [{ type: 'user.password_changed', at: now, actor, data: { user_id: user.id } }])
}
