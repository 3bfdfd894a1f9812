import type { Insertable, Selectable } from 'kysely'
import type { Trx } from '../database.ts'
import type { SendAttempts } from '../tables.generated.ts'

export type SendAttempt = Selectable<SendAttempts>

export async function findLatestAttempt(trx: Trx, message_id: string): Promise<SendAttempt | undefined> {
  return trx
    .selectFrom('send_attempts')
    .selectAll()
    .where('message_id', '=', message_id)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
}

export async function insertAttempt(trx: Trx, row: Insertable<SendAttempts>): Promise<SendAttempt> {
  return trx.insertInto('send_attempts').values(row).returningAll().executeTakeFirstOrThrow()
}

/**
 * Takes an attempt over, to ask the network what became of it. The new lease shuts out the worker that had it before.
 */
export async function takeOverAttempt(trx: Trx, attempt: SendAttempt, lease_until: Date): Promise<SendAttempt> {
  return trx
    .updateTable('send_attempts')
    .set(eb => ({ lease_until, looks: eb('looks', '+', 1), finished_at: null, outcome: null }))
    .where('message_id', '=', attempt.message_id)
    .where('number', '=', attempt.number)
    .returningAll()
    .executeTakeFirstOrThrow()
}

/**
 * Ends an attempt; false when it had ended already or another worker has taken it over since: the lease is the
 * fencing token, and a worker that was asleep must not record what it believes.
 */
export async function finishAttempt(
  trx: Trx,
  attempt: Pick<SendAttempt, 'message_id' | 'number' | 'lease_until'>,
  result: { finished_at: Date; outcome: string; reason: string | null },
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('send_attempts')
    .set(result)
    .where('message_id', '=', attempt.message_id)
    .where('number', '=', attempt.number)
    .where('lease_until', '=', attempt.lease_until)
    .where('finished_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Ends the attempt that is still open, if there is one, whoever has its lease: the network itself has told. */
export async function closeOpenAttempt(
  trx: Trx,
  message_id: string,
  result: { finished_at: Date; outcome: string; reason: string | null },
): Promise<void> {
  await trx
    .updateTable('send_attempts')
    .set(result)
    .where('message_id', '=', message_id)
    .where('finished_at', 'is', null)
    .execute()
}
