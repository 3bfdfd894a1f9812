import {
  appendEvents,
  closePasswordResets,
  type Database,
  deleteLoginAttempts,
  generateLinkToken,
  hashToken,
  insertPasswordReset,
  lockPasswordReset,
  lockUser,
  NO_WORKSPACE,
  newId,
  type Trx,
  type User,
} from '@parley/db'
import { type Actor, DomainError, NotFound, PASSWORD_RESET_SECONDS } from '@parley/domain'
import { setPassword } from './change-password.ts'
import { attemptBy } from './throttle-login.ts'

/**
 * Makes a token with which somebody chooses a password: who has forgotten theirs, or never had one. Former tokens of theirs
 * open nothing any more. Parley sends no mail: who makes it hands it on.
 * @throws NotFound, or DomainError `conflict` for somebody disabled or without an address to sign in with
 */
export async function startPasswordReset(
  trx: Trx,
  user_id: string,
  actor: Actor,
  now: Date,
): Promise<{ token: string; expires_at: Date }> {
  const user = await lockUser(trx, user_id)
  if (!user) throw new NotFound('user')
  if (user.status !== 'active') throw new DomainError('conflict', 'This person is disabled.')
  if (!user.email) throw new DomainError('conflict', 'This person has no e-mail address to sign in with.')
  await closePasswordResets(trx, user_id, now)
  const token = generateLinkToken()
  const expires_at = new Date(now.getTime() + PASSWORD_RESET_SECONDS * 1000)
  await insertPasswordReset(trx, { id: newId(now), user_id, token_hash: hashToken(token), created_at: now, expires_at })
  await appendEvents(trx, [{ type: 'password_reset.created', at: now, actor, data: { user_id } }])
  return { token, expires_at }
}

/**
 * Gives the person the password that they chose, once; all their sessions end. A second factor stays.
 * @throws NotFound for a token that was used, has expired or was replaced, or of somebody disabled
 */
export async function finishPasswordReset(trx: Trx, id: string, password_hash: string, now: Date): Promise<User> {
  const reset = await lockPasswordReset(trx, id)
  if (!reset || reset.used_at || reset.expires_at <= now) throw new NotFound('password reset')
  const user = await lockUser(trx, reset.user_id)
  if (user?.status !== 'active') throw new NotFound('password reset')
  await closePasswordResets(trx, user.id, now)
  await setPassword(trx, user, password_hash, { type: 'user', id: user.id }, now)
  return user
}

/** Whoever chose a password need not wait for what others guessed. */
export async function forgiveAccount(db: Database, email: string): Promise<void> {
  await db.inWorkspace(NO_WORKSPACE, trx => deleteLoginAttempts(trx, attemptBy(email, '').target))
}
