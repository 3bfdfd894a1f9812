import { appendEvents, getWorkspace, lockUser, replaceRecoveryCodes, type Trx, type User, updateUser } from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'
import {
  type Enrolment,
  hashRecoveryCode,
  newRecoveryCodes,
  newTotp,
  openTotp,
  sealTotp,
  stepOfCode,
} from './second-factor.ts'

/** Begins with a second factor. It is asked for once a code of it was shown; until then nothing changes. */
export async function startTotp(trx: Trx, secretKey: Buffer, user_id: string): Promise<Enrolment> {
  const user = await getUser(trx, user_id)
  const { name } = await getWorkspace(trx)
  const enrolment = newTotp(user.email ?? user.name, `Parley ${name}`)
  await updateUser(trx, user_id, { totp_pending_sealed: sealTotp(secretKey, user, enrolment.secret) })
  return enrolment
}

/**
 * Puts the second factor that was begun to use, in the place of a former one.
 * @returns recovery codes, which are shown once; former ones open nothing any more
 * @throws DomainError `conflict` when none was begun, `validation_failed` for a wrong code
 */
export async function confirmTotp(
  trx: Trx,
  secretKey: Buffer,
  user_id: string,
  code: string,
  now: Date,
): Promise<string[]> {
  const user = await getUser(trx, user_id)
  if (!user.totp_pending_sealed) throw new DomainError('conflict', 'Begin with a second factor first.')
  const step = stepOfCode(openTotp(secretKey, user, user.totp_pending_sealed), code, null, now)
  if (step === undefined) throw new DomainError('validation_failed', 'This is not the code that the app shows now.')
  const codes = newRecoveryCodes()
  await replaceRecoveryCodes(trx, user_id, codes.map(hashRecoveryCode))
  await updateUser(trx, user_id, {
    totp_sealed: user.totp_pending_sealed,
    totp_pending_sealed: null,
    totp_confirmed_at: now,
    totp_last_step: step,
  })
  const actor = { type: 'user' as const, id: user_id }
  await appendEvents(trx, [{ type: 'user.totp_enabled', at: now, actor, data: { user_id } }])
  return codes
}

/** Does without the second factor; without one already, changes nothing. @throws NotFound */
export async function removeTotp(trx: Trx, user_id: string, actor: Actor, now: Date): Promise<User> {
  const user = await getUser(trx, user_id)
  if (!user.totp_sealed && !user.totp_pending_sealed) return user
  await replaceRecoveryCodes(trx, user_id, [])
  if (user.totp_sealed) {
    await appendEvents(trx, [{ type: 'user.totp_disabled', at: now, actor, data: { user_id } }])
  }
  const none = { totp_sealed: null, totp_pending_sealed: null, totp_confirmed_at: null, totp_last_step: null }
  return updateUser(trx, user_id, none)
}

async function getUser(trx: Trx, id: string): Promise<User> {
  const user = await lockUser(trx, id)
  if (!user) throw new NotFound('user')
  return user
}
