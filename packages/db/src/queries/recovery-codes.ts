import type { Trx } from '../database.ts'

/** Puts these codes in the place of all that the person had. */
export async function replaceRecoveryCodes(trx: Trx, user_id: string, hashes: Buffer[]): Promise<void> {
  await trx.deleteFrom('recovery_codes').where('user_id', '=', user_id).execute()
  if (hashes.length === 0) return
  await trx
    .insertInto('recovery_codes')
    .values(hashes.map(code_hash => ({ user_id, code_hash })))
    .execute()
}

/** Uses a code up. False for one that is unknown or was used: each opens once. */
export async function useRecoveryCode(trx: Trx, user_id: string, code_hash: Buffer, now: Date): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('recovery_codes')
    .set({ used_at: now })
    .where('user_id', '=', user_id)
    .where('code_hash', '=', code_hash)
    .where('used_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

export async function countRecoveryCodes(trx: Trx, user_id: string): Promise<number> {
  const row = await trx
    .selectFrom('recovery_codes')
    .select(eb => eb.fn.countAll<number>().as('count'))
    .where('user_id', '=', user_id)
    .where('used_at', 'is', null)
    .executeTakeFirstOrThrow()
  return row.count
}
