import type { ActionVerb, Dismissal, ItemResult, SendState } from '@parley/domain'
import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { MessageBatchItems } from '../tables.generated.ts'
import type { MessageBatch } from './message-batches.ts'

/** One message of a batch and what became of it. */
export type BatchItem = Omit<Selectable<MessageBatchItems>, 'dismissal'> & { dismissal: KeptDismissal | null }
/** A dismissal that was taken back, as far as it can be said again. */
export type KeptDismissal = { reason: string; as: Dismissal }

/** With its action on the network as that stands now. */
export type ReadItem = BatchItem & {
  conversation_id: string | null
  verb: ActionVerb | null
  action_state: SendState | null
  action_state_reason: string | null
  action_done_at: Date | null
}

/** What takes a batch back is of the messages which that changed, and says again what it took away. */
export async function freezeUndo(trx: Trx, undone: Pick<MessageBatch, 'id'>, id: string): Promise<void> {
  await sql`
    insert into message_batch_items (workspace_id, batch_id, message_id, result, dismissal)
    select workspace_id, ${id}, message_id, 'pending', dismissal from message_batch_items
    where batch_id = ${undone.id} and result = 'done'`.execute(trx)
}

/** What a batch takes back of one message: what was done to it, and when. */
export type UndoneItem = Pick<BatchItem, 'at' | 'action_id'>
export type PendingItem = Pick<BatchItem, 'message_id' | 'dismissal'> & { undone: UndoneItem | null }

/** The next messages of a batch, in the order of their ids or against it. */
export async function listPendingItems(
  trx: Trx,
  { id, reached_id, undoes }: MessageBatch,
  order: 'asc' | 'desc',
  limit: number,
): Promise<PendingItem[]> {
  const beyond = sql.raw(order === 'asc' ? '>' : '<')
  const { rows } = await sql<Omit<PendingItem, 'undone'> & UndoneItem & { undone: boolean }>`
    select i.message_id, i.dismissal, u.at, u.action_id, u.batch_id is not null as undone
    from (select * from message_batch_items where batch_id = ${id} and result = 'pending'
        and (${reached_id}::uuid is null or message_id ${beyond} ${reached_id}::uuid)
      order by message_id ${sql.raw(order)} limit ${limit}) i
      left join lateral (select * from message_batch_items
        where batch_id = ${undoes}::uuid and message_id = i.message_id limit 1) u on true
    order by i.message_id ${sql.raw(order)}`.execute(trx)
  return rows.map(({ message_id, dismissal, at, action_id, undone }) => ({
    message_id,
    dismissal,
    undone: undone ? { at, action_id } : null,
  }))
}

/** Writes down what became of messages of one batch. Every row has the same keys. */
export async function recordItems(trx: Trx, items: Insertable<MessageBatchItems>[]): Promise<void> {
  if (items.length === 0) return
  await sql`
    update message_batch_items i
    set result = r.result, code = r.code, detail = r.detail, at = r.at, action_id = r.action_id, dismissal = r.dismissal
    from ${rowsOf('message_batch_items', items)} r,
      lateral (select ctid from message_batch_items
        where batch_id = r.batch_id and message_id = r.message_id for update) found
    where i.ctid = found.ctid`.execute(trx)
}

/** Refuses all messages of a batch whose turn has not come. Returns how many. */
export async function refuseRest(
  trx: Trx,
  batch_id: string,
  why: { code: string; detail: string },
  now: Date,
): Promise<number> {
  const { numUpdatedRows } = await trx
    .updateTable('message_batch_items')
    .set({ result: 'refused', ...why, at: now })
    .where('batch_id', '=', batch_id)
    .where('result', '=', 'pending')
    .executeTakeFirst()
  return Number(numUpdatedRows)
}

/** One of both at most. */
export type ItemFilter = { result?: ItemResult | undefined; action_state?: SendState | undefined }

/** The messages of a batch in the order of their ids; with `action_state` those whose action on the network stands so. */
export async function listItems(
  trx: Trx,
  batch_id: string,
  { result, action_state }: ItemFilter,
  page: { limit: number; after?: string | undefined },
): Promise<ReadItem[]> {
  const beyond = page.after ? sql`and message_id > ${page.after}::uuid` : sql``
  const wanted = action_state
    ? sql`message_actions where batch_id = ${batch_id} and state = ${action_state}`
    : sql`message_batch_items where batch_id = ${batch_id} ${result ? sql`and result = ${result}` : sql``}`
  const { rows } = await sql<ReadItem>`
    select i.*, a.verb, a.state as action_state, a.state_reason as action_state_reason, a.done_at as action_done_at,
      case when i.code is distinct from 'not_found' then m.conversation_id end as conversation_id
    from (select message_id from ${wanted} ${beyond} order by message_id limit ${page.limit}) wanted,
      lateral (select * from message_batch_items
        where batch_id = ${batch_id} and message_id = wanted.message_id limit 1) i
      left join lateral (select * from message_actions where id = i.action_id limit 1) a on true
      left join lateral (select conversation_id from messages where id = i.message_id limit 1) m on true
    order by i.message_id`.execute(trx)
  return rows
}
