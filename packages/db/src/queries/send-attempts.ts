import type { Insertable, Selectable } from 'kysely'
import type { Trx } from '../database.ts'
import type { SendAttempts } from '../tables.generated.ts'

/** One call to a network about an intent: a reply, or an action. `intent_id` is the id of either. */
export type SendAttempt = Selectable<SendAttempts>

export type AttemptResult = { finished_at: Date; outcome: string; reason: string | null }

export async function findLatestAttempt(trx: Trx, intent_id: string): Promise<SendAttempt | undefined> {
  return trx
    .selectFrom('send_attempts')
    .selectAll()
    .where('intent_id', '=', intent_id)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Every call that was made for a reply or an action, in their order. */
export async function listAttempts(trx: Trx, intent_id: string): Promise<SendAttempt[]> {
  return trx
    .selectFrom('send_attempts')
    .selectAll()
    .where('intent_id', '=', intent_id)
    .orderBy('number')
    .limit(200)
    .execute()
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
    .where('intent_id', '=', attempt.intent_id)
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
  attempt: Pick<SendAttempt, 'intent_id' | 'number' | 'lease_until'>,
  result: AttemptResult,
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('send_attempts')
    .set(result)
    .where('intent_id', '=', attempt.intent_id)
    .where('number', '=', attempt.number)
    .where('lease_until', '=', attempt.lease_until)
    .where('finished_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Ends the attempt that is still open, if there is one, whoever has its lease: somebody else has told. */
export async function closeOpenAttempt(trx: Trx, intent_id: string, result: AttemptResult): Promise<void> {
  await trx
    .updateTable('send_attempts')
    .set(result)
    .where('intent_id', '=', intent_id)
    .where('finished_at', 'is', null)
    .execute()
}
