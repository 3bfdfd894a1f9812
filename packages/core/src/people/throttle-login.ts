import { createHash } from 'node:crypto'
import {
  type Database,
  deleteLoginAttempts,
  forgetLoginAttempts,
  forgiveLoginAttempt,
  lockLoginAttempts,
  NO_WORKSPACE,
  updateLoginAttempts,
} from '@parley/db'
import {
  ACCOUNT_BACKOFF,
  ADDRESS_BACKOFF,
  type Backoff,
  FAILURES_FORGOTTEN_SECONDS,
  LINK_BACKOFF,
  NotFound,
  pauseAfter,
} from '@parley/domain'
import { tooEarly } from './too-early.ts'

/** Each failure forgets so many old ones: the table holds a day of them and no more. */
const FORGET_BATCH = 20

/** Who tries, and at what, as rows know it: neither addresses, names of people nor tokens are kept. */
export type Attempt = { target: Buffer; address: Buffer; backoff: Backoff }

const keyOf = (kind: string, text: string) => createHash('sha256').update(`${kind}\0${text}`).digest()

/** @param address of the peer; of IPv6 the part that one customer of a network is given */
export function attemptBy(email: string, address: string): Attempt {
  const target = keyOf('account', email.toLowerCase())
  return { target, address: keyOf('address', address), backoff: ACCOUNT_BACKOFF }
}

/** Counted apart from sign-ins: who asks again and again for a link that has ended keeps no colleague out. */
function attemptWith(token: string, address: string): Attempt {
  return { target: keyOf('token', token), address: keyOf('address of links', address), backoff: LINK_BACKOFF }
}

/**
 * Does what a link's token opens, for whoever holds it. That it opens nothing is a failure of the token and of the
 * address; whatever else is refused is none.
 * @throws DomainError `too_many_attempts` before `work` begins, or what `work` throws
 */
export async function openWithToken<T>(
  db: Database,
  { token, address }: { token: string; address: string },
  now: Date,
  work: () => Promise<T>,
): Promise<T> {
  const attempt = attemptWith(token, address)
  const retry_at = await beginAttempt(db, attempt, now)
  if (retry_at) throw tooEarly(retry_at, now)
  // What is done is done, or refused: a failure that stays counted is forgotten in a day.
  const forgive = (opened: boolean) => forgiveAttempt(db, attempt, opened).catch(() => {})
  try {
    const result = await work()
    await forgive(true)
    return result
  } catch (error) {
    if (!(error instanceof NotFound)) await forgive(false)
    throw error
  }
}

/**
 * Counts an attempt before its password is looked at, as a failure until it turns out to be none: of many at once no more
 * are let through than one after the other.
 * @returns when to come back, for who came too early; undefined for who may try
 */
export async function beginAttempt(db: Database, attempt: Attempt, now: Date): Promise<Date | undefined> {
  return db.inWorkspace(NO_WORKSPACE, async trx => {
    const rows = await lockLoginAttempts(trx, [attempt.target, attempt.address], now)
    const blocked = rows.flatMap(({ blocked_until }) => (blocked_until && blocked_until > now ? [blocked_until] : []))
    if (blocked.length > 0) return new Date(Math.max(...blocked.map(time => time.getTime())))
    const forgotten = new Date(now.getTime() - FAILURES_FORGOTTEN_SECONDS * 1000)
    for (const { key, last_at, failures: before } of rows) {
      const failures = (last_at > forgotten ? before : 0) + 1
      const pause = pauseAfter(failures, key.equals(attempt.target) ? attempt.backoff : ADDRESS_BACKOFF)
      const blocked_until = pause > 0 ? new Date(now.getTime() + pause * 1000) : null
      await updateLoginAttempts(trx, { key, failures, blocked_until, last_at: now })
    }
    await forgetLoginAttempts(trx, forgotten, FORGET_BATCH)
    return undefined
  })
}

/** The attempt was none: the password was right. Only a whole sign-in forgives what was guessed before. */
export async function forgiveAttempt(db: Database, attempt: Attempt, signedIn: boolean): Promise<void> {
  await db.inWorkspace(NO_WORKSPACE, async trx => {
    if (signedIn) await deleteLoginAttempts(trx, attempt.target)
    else await forgiveLoginAttempt(trx, attempt.target, attempt.backoff.free)
    await forgiveLoginAttempt(trx, attempt.address, ADDRESS_BACKOFF.free)
  })
}
