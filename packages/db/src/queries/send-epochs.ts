import { sql } from 'kysely'
import type { Trx } from '../database.ts'

/**
 * Which life of the database this is. It rises by itself when the database is not where it was, restored from a backup
 * or promoted from a replica: what was queued in an earlier one may have been sent since.
 */
export async function currentSendEpoch(trx: Trx): Promise<number> {
  const { rows } = await sql<{ epoch: number }>`select current_send_epoch() as epoch`.execute(trx)
  return rows[0]!.epoch
}
