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
import { ACCOUNT_BACKOFF, ADDRESS_BACKOFF, FAILURES_FORGOTTEN_SECONDS, pauseAfter } from '@parley/domain'

/** Each failure forgets so many old ones: the table holds a day of them and no more. */
const FORGET_BATCH = 20

/** Who tries, as rows know it: neither addresses nor names of people are kept. */
export type Attempt = { account: Buffer; address: Buffer }

/** @param address of the peer; of IPv6 the part that one customer of a network is given */
export function attemptBy(email: string, address: string): Attempt {
  const keyOf = (kind: string, text: string) => createHash('sha256').update(`${kind}\0${text}`).digest()
  return { account: keyOf('account', email.toLowerCase()), address: keyOf('address', address) }
}

/**
 * Counts an attempt before its password is looked at, as a failure until it turns out to be none: of many at once no more
 * are let through than one after the other.
 * @returns when to come back, for who came too early; undefined for who may try
 */
export async function beginAttempt(db: Database, attempt: Attempt, now: Date): Promise<Date | undefined> {
  return db.inWorkspace(NO_WORKSPACE, async trx => {
    const rows = await lockLoginAttempts(trx, [attempt.account, attempt.address], now)
    const blocked = rows.flatMap(({ blocked_until }) => (blocked_until && blocked_until > now ? [blocked_until] : []))
    if (blocked.length > 0) return new Date(Math.max(...blocked.map(time => time.getTime())))
    const forgotten = new Date(now.getTime() - FAILURES_FORGOTTEN_SECONDS * 1000)
    for (const { key, last_at, failures: before } of rows) {
      const failures = (last_at > forgotten ? before : 0) + 1
      const pause = pauseAfter(failures, key.equals(attempt.account) ? ACCOUNT_BACKOFF : ADDRESS_BACKOFF)
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
    if (signedIn) await deleteLoginAttempts(trx, attempt.account)
    else await forgiveLoginAttempt(trx, attempt.account, ACCOUNT_BACKOFF.free)
    await forgiveLoginAttempt(trx, attempt.address, ADDRESS_BACKOFF.free)
  })
}
