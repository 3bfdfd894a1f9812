import type { Insertable, Selectable, Updateable } from 'kysely'
import type { Trx } from '../database.ts'
import type { Drafts } from '../tables.generated.ts'

export type Draft = Selectable<Drafts>

/** The draft of a conversation; undefined where there is none, or none any more. */
export async function findDraft(trx: Trx, conversation_id: string): Promise<Draft | undefined> {
  const row = await trx
    .selectFrom('drafts')
    .selectAll()
    .where('conversation_id', '=', conversation_id)
    .executeTakeFirst()
  return row?.discarded ? undefined : row
}

/** Locks a conversation's draft until the transaction ends, one that was discarded too. */
export async function lockDraft(trx: Trx, conversation_id: string): Promise<Draft | undefined> {
  return trx
    .selectFrom('drafts')
    .selectAll()
    .where('conversation_id', '=', conversation_id)
    .forUpdate()
    .executeTakeFirst()
}

/** Undefined when somebody else began one at the same moment. */
export async function insertDraft(trx: Trx, row: Insertable<Drafts>): Promise<Draft | undefined> {
  return trx
    .insertInto('drafts')
    .values(row)
    .onConflict(conflict => conflict.columns(['workspace_id', 'conversation_id']).doNothing())
    .returningAll()
    .executeTakeFirst()
}

/** Writes a change and raises the version; the caller holds the row's lock. */
export async function updateDraft(trx: Trx, conversation_id: string, change: Updateable<Drafts>): Promise<Draft> {
  return trx
    .updateTable('drafts')
    .set(eb => ({ ...change, version: eb('version', '+', 1) }))
    .where('conversation_id', '=', conversation_id)
    .returningAll()
    .executeTakeFirstOrThrow()
}

/**
 * Empties a conversation's draft if it is still in that version, and says whether it was: what somebody wrote since
 * stays. Its row is kept, so that a later draft gets a later version.
 */
export async function deleteDraft(trx: Trx, conversation_id: string, version: number): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('drafts')
    .set(eb => ({
      body: '',
      visibility: null,
      in_reply_to: null,
      attachment_ids: [],
      discarded: true,
      version: eb('version', '+', 1),
    }))
    .where('conversation_id', '=', conversation_id)
    .where('version', '=', version)
    .where('discarded', '=', false)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
