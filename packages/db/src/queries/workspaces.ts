import type { Insertable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { Workspaces } from '../tables.generated.ts'

export async function insertWorkspace(trx: Trx, row: Insertable<Workspaces>): Promise<void> {
  await trx.insertInto('workspaces').values(row).execute()
}

export async function anyWorkspaceExists(trx: SystemTrx): Promise<boolean> {
  return (await trx.selectFrom('workspaces').select('id').limit(1).executeTakeFirst()) !== undefined
}

export async function listWorkspaceIds(trx: SystemTrx): Promise<string[]> {
  return (await trx.selectFrom('workspaces').select('id').execute()).map(row => row.id)
}

export async function getWorkspace(trx: Trx): Promise<{ id: string; name: string }> {
  return trx.selectFrom('workspaces').select(['id', 'name']).executeTakeFirstOrThrow()
}

/** What may be said of a message that is dismissed; empty: anything. */
export async function listDismissalReasons(trx: Trx): Promise<string[]> {
  return (await trx.selectFrom('workspaces').select('dismissal_reasons').executeTakeFirstOrThrow()).dismissal_reasons
}

export async function setDismissalReasons(trx: Trx, dismissal_reasons: string[]): Promise<void> {
  await trx.updateTable('workspaces').set({ dismissal_reasons }).execute()
}

/**
 * Takes `count` conversation numbers and returns the first. Holds the workspace's row until the transaction ends,
 * so take them late.
 */
export async function takeConversationNumbers(trx: Trx, count: number): Promise<number> {
  const row = await trx
    .updateTable('workspaces')
    .set(eb => ({ next_conversation_number: eb('next_conversation_number', '+', count) }))
    .returning('next_conversation_number')
    .executeTakeFirstOrThrow()
  return row.next_conversation_number - count
}
