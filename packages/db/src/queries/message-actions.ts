import type { Insertable, Selectable, Updateable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { MessageActions } from '../tables.generated.ts'

/** Something that is to be done, or was done, to a message on its network. */
export type MessageAction = Selectable<MessageActions>

export async function insertMessageAction(trx: Trx, row: Insertable<MessageActions>): Promise<MessageAction> {
  return trx.insertInto('message_actions').values(row).returningAll().executeTakeFirstOrThrow()
}

export async function findMessageAction(trx: Trx, id: string): Promise<MessageAction | undefined> {
  return trx.selectFrom('message_actions').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Locks one action until the transaction ends. */
export async function lockMessageAction(trx: Trx, id: string): Promise<MessageAction | undefined> {
  return trx.selectFrom('message_actions').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

export async function updateMessageAction(
  trx: Trx,
  id: string,
  change: Updateable<MessageActions>,
): Promise<MessageAction> {
  return trx.updateTable('message_actions').set(change).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
}

/** What was done to a message, oldest first. */
export async function listMessageActions(trx: Trx, message_id: string): Promise<MessageAction[]> {
  return trx
    .selectFrom('message_actions')
    .selectAll()
    .where('message_id', '=', message_id)
    .orderBy('created_at')
    .limit(200)
    .execute()
}

/** When something was last asked for; no two of one message share their time. */
export async function findLatestActionAt(trx: Trx, message_id: string): Promise<Date | undefined> {
  const row = await trx
    .selectFrom('message_actions')
    .select('created_at')
    .where('message_id', '=', message_id)
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.created_at
}

/** True while something asked for earlier is still to be done to the same message: hiding and showing keep their order. */
export async function hasEarlierAction(trx: Trx, { message_id, created_at }: MessageAction): Promise<boolean> {
  const row = await trx
    .selectFrom('message_actions')
    .select('id')
    .where('message_id', '=', message_id)
    .where('created_at', '<', created_at)
    .where('state', 'in', ['queued', 'sending', 'unknown'])
    .where(eb => eb.or([eb('state', '<>', 'unknown'), eb('next_attempt_at', 'is not', null)]))
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Actions of all workspaces that a worker should look at by now, longest overdue first. */
export async function listActionsToAttempt(
  trx: SystemTrx,
  now: Date,
  limit: number,
): Promise<{ workspace_id: string; message_id: string; action_id: string }[]> {
  return trx
    .selectFrom('message_actions')
    .select(['workspace_id', 'message_id', 'id as action_id'])
    .where('next_attempt_at', '<=', now)
    .orderBy('next_attempt_at')
    .limit(limit)
    .execute()
}
