import {
  appendEvents,
  type Database,
  findLogins,
  findUser,
  generateSessionToken,
  hashToken,
  insertSession,
  type Login,
  lockUser,
  NO_WORKSPACE,
  newId,
  type Session,
  type Trx,
  touchLoginAttempts,
  type User,
  updateUser,
  useRecoveryCode,
} from '@parley/db'
import { SESSION_IDLE_SECONDS, SESSION_SECONDS, SYSTEM, searchKey } from '@parley/domain'
import { verifyPassword } from './passwords.ts'
import { hashRecoveryCode, openTotp, stepOfCode } from './second-factor.ts'
import { attemptBy, beginAttempt, forgiveAttempt } from './throttle-login.ts'

export type SignIn = {
  email: string
  password: string
  /** Id or name of the workspace; needed by whose address is known in several. */
  workspace?: string | undefined
  totp_code?: string | undefined
  recovery_code?: string | undefined
  /** The peer's address, as failures are counted. */
  address: string
  user_agent: string | null
}

export type SignInResult =
  | { outcome: 'signed_in'; session: Session; token: string; user: User; workspace: { id: string; name: string } }
  /** Nobody is told why: an unknown address, a wrong password, a wrong code and a disabled person are one. */
  | { outcome: 'refused' }
  /** The password is right, and a second factor is asked for. */
  | { outcome: 'code_required' }
  | { outcome: 'too_early'; retry_at: Date }

/**
 * Opens a session with a password, and a second factor where there is one. It takes as long, in as many steps, whoever it
 * is and whether there is such a person. An address that is known in several workspaces opens none unless one is named.
 * @throws DomainError `too_busy`
 */
export async function signIn(db: Database, secretKey: Buffer, given: SignIn, now: Date): Promise<SignInResult> {
  const attempt = attemptBy(given.email, given.address)
  const retry_at = await beginAttempt(db, attempt, now)
  if (retry_at) return { outcome: 'too_early', retry_at }
  const login = chosen(await findLogins(db, given.email), given.workspace)
  const place = login ?? { workspace_id: NO_WORKSPACE, user_id: NO_WORKSPACE, workspace_name: '' }
  const inPlace = <T>(work: (trx: Trx) => Promise<T>) => db.inWorkspace(place.workspace_id, work)
  const user = await inPlace(trx => findUser(trx, place.user_id))
  const hash = user?.status === 'active' ? user.password_hash : undefined
  const right = await verifyPassword(hash, given.password)
  if (!right || !user) {
    // Of nobody there is nothing to log, and yet something is written, so that it takes as long.
    await inPlace(trx => (user ? logFailure(trx, user, 'password', now) : touchLoginAttempts(trx, attempt.target)))
    return { outcome: 'refused' }
  }
  if (user.totp_confirmed_at && !given.totp_code && !given.recovery_code) {
    await forgiveAttempt(db, attempt, false)
    return { outcome: 'code_required' }
  }
  const opened = await inPlace(trx => openSession(trx, secretKey, user, given, now))
  if (!opened) return { outcome: 'refused' }
  await forgiveAttempt(db, attempt, true)
  return { outcome: 'signed_in', ...opened, workspace: { id: place.workspace_id, name: place.workspace_name } }
}

/** The one that was meant; undefined where it cannot be told. */
function chosen(logins: Login[], workspace: string | undefined): Login | undefined {
  const meant = workspace
    ? logins.filter(
        ({ workspace_id, workspace_name }) =>
          workspace_id === workspace || searchKey(workspace_name) === searchKey(workspace),
      )
    : logins
  return meant.length === 1 ? meant[0] : undefined
}

async function openSession(trx: Trx, secretKey: Buffer, seen: User, given: SignIn, now: Date) {
  // What was read before may have changed while the password was looked at.
  const user = await lockUser(trx, seen.id)
  const same = user?.status === 'active' && user.password_hash === seen.password_hash
  if (!same || !(await passesSecondFactor(trx, secretKey, user, given, now))) {
    await logFailure(trx, seen, 'second_factor', now)
    return undefined
  }
  const token = generateSessionToken()
  const session = await insertSession(trx, {
    id: newId(now),
    user_id: user.id,
    token_hash: hashToken(token),
    epoch: user.session_epoch,
    user_agent: given.user_agent,
    created_at: now,
    last_seen_at: now,
    idle_seconds: SESSION_IDLE_SECONDS,
    expires_at: new Date(now.getTime() + SESSION_SECONDS * 1000),
  })
  const actor = { type: 'user' as const, id: user.id }
  const second_factor = !user.totp_confirmed_at ? null : given.totp_code ? 'totp' : 'recovery_code'
  const data = { session_id: session.id, user_id: user.id, second_factor }
  await appendEvents(trx, [{ type: 'session.created', at: now, actor, data }])
  return { session, token, user }
}

/** Uses up what it takes: no code opens twice. */
async function passesSecondFactor(
  trx: Trx,
  secretKey: Buffer,
  user: User,
  { totp_code, recovery_code }: SignIn,
  now: Date,
): Promise<boolean> {
  if (!user.totp_confirmed_at || !user.totp_sealed) return true
  if (totp_code) {
    const secret = openTotp(secretKey, user, user.totp_sealed)
    const step = stepOfCode(secret, totp_code, user.totp_last_step, now)
    if (step === undefined) return false
    await updateUser(trx, user.id, { totp_last_step: step })
    return true
  }
  return recovery_code !== undefined && useRecoveryCode(trx, user.id, hashRecoveryCode(recovery_code), now)
}

async function logFailure(trx: Trx, user: User, failed: 'password' | 'second_factor', now: Date): Promise<void> {
  const data = { user_id: user.id, failed }
  await appendEvents(trx, [{ type: 'login.failed', at: now, actor: SYSTEM, data }])
}
