import type { Insertable, Selectable, Updateable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { ContactErasures as Table } from '../tables.generated.ts'

/** The erasure of a contact. `counts` says how many of what were erased so far. */
export type ContactErasure = Omit<Selectable<Table>, 'counts' | 'state'> & {
  state: 'running' | 'done'
  counts: Record<string, number>
}

export async function insertErasure(trx: Trx, row: Insertable<Table>): Promise<ContactErasure> {
  return trx
    .insertInto('contact_erasures')
    .values(row)
    .returningAll()
    .$castTo<ContactErasure>()
    .executeTakeFirstOrThrow()
}

export async function findErasure(trx: Trx, id: string): Promise<ContactErasure | undefined> {
  return trx
    .selectFrom('contact_erasures')
    .selectAll()
    .where('id', '=', id)
    .$castTo<ContactErasure>()
    .executeTakeFirst()
}

export async function findErasureOf(trx: Trx, contact_id: string): Promise<ContactErasure | undefined> {
  const query = trx.selectFrom('contact_erasures').selectAll().where('contact_id', '=', contact_id)
  return query.$castTo<ContactErasure>().executeTakeFirst()
}

/** Takes a running erasure until the transaction ends; undefined when it is done, or another worker has it. */
export async function claimErasure(trx: Trx, id: string): Promise<ContactErasure | undefined> {
  return trx
    .selectFrom('contact_erasures')
    .selectAll()
    .where('id', '=', id)
    .where('state', '=', 'running')
    .$castTo<ContactErasure>()
    .forUpdate()
    .skipLocked()
    .executeTakeFirst()
}

export async function updateErasure(trx: Trx, id: string, change: Updateable<Table>): Promise<void> {
  await trx.updateTable('contact_erasures').set(change).where('id', '=', id).execute()
}

/** Erasures of all workspaces that are not done. */
export async function listRunningErasures(
  trx: SystemTrx,
  limit: number,
): Promise<{ workspace_id: string; id: string }[]> {
  return trx
    .selectFrom('contact_erasures')
    .select(['workspace_id', 'id'])
    .where('state', '=', 'running')
    .limit(limit)
    .execute()
}
