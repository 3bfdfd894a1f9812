import type { ActionVerb, SendState } from '@parley/domain'
import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
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

/** The last that was asked for among these verbs and neither rejected nor taken back. */
export async function findLatestAction(
  trx: Trx,
  message_id: string,
  verbs: ActionVerb[],
): Promise<MessageAction | undefined> {
  return trx
    .selectFrom('message_actions')
    .selectAll()
    .where('message_id', '=', message_id)
    .where('verb', 'in', verbs)
    .where('state', 'not in', ['rejected', 'cancelled'])
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** How many actions of a batch are on their way to the network, counted up to `most`. */
export async function countUnderWay(trx: Trx, batch_id: string, most: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from (select from message_actions
      where batch_id = ${batch_id} and next_attempt_at is not null limit ${most}) under_way`.execute(trx)
  return rows[0]!.count
}

/** How the actions that a batch queued stand: how many of each state that there is. */
export async function countActionStates(trx: Trx, batch_id: string): Promise<Partial<Record<SendState, number>>> {
  const { rows } = await sql<{ state: SendState; count: number }>`
    select state, count(*)::int as count from message_actions where batch_id = ${batch_id} group by state`.execute(trx)
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
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
): Promise<{ workspace_id: string; message_id: string; action_id: string; batch_id?: string; behind?: true }[]> {
  const rows = await trx
    .selectFrom('message_actions')
    .select(['workspace_id', 'message_id', 'id as action_id', 'batch_id', 'actor_type'])
    .where('next_attempt_at', '<=', now)
    .orderBy('next_attempt_at')
    .limit(limit)
    .execute()
  return rows.map(({ batch_id, actor_type, ...job }) => ({
    ...job,
    ...(batch_id ? { batch_id } : {}),
    ...(actor_type === 'rule' ? { behind: true as const } : {}),
  }))
}
