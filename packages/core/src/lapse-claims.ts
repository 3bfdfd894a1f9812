import { lockLapsedClaims, type Trx } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { leave } from './people/hand-back.ts'

/**
 * Gives claims back to the queue that lasted their time without work, up to `limit`. Returns how many there were. A
 * conversation that somebody works on at this moment is passed over: their work is there first and makes the claim last.
 */
export async function lapseClaims(trx: Trx, now: Date, limit: number): Promise<number> {
  const lapsed = await lockLapsedClaims(trx, now, limit)
  await leave(trx, lapsed, 'claim_lapsed', SYSTEM, now)
  return lapsed.length
}
