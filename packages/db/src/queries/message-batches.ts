import type { ItemResult } from '@parley/domain'
import { type Insertable, type Selectable, sql } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { MessageBatches } from '../tables.generated.ts'
import type { Reach } from './visibility.ts'

/** The same that is done to many messages. */
export type MessageBatch = Omit<Selectable<MessageBatches>, 'selection'> & { selection: KeptSelection | null }
/** What the messages of a batch were selected by. */
export type KeptSelection = { conversation_id?: string; post_id?: string; fingerprint?: string; up_to?: string }

export async function insertBatch(trx: Trx, row: Insertable<MessageBatches>): Promise<void> {
  await trx.insertInto('message_batches').values(row).execute()
}

/**
 * Lets the statements of this transaction take longer than others may: those that write all messages of a batch. A hundred
 * thousand took four to eight seconds on two cores that had four times as much to do as they could.
 */
export async function allowLongStatements(trx: Trx): Promise<void> {
  await sql`set local statement_timeout = 60000`.execute(trx)
}

/** Fixes how many messages a batch is of, and where they lie. */
export async function setFrozen(
  trx: Trx,
  id: string,
  frozen: Pick<MessageBatch, 'total' | 'more' | 'inbox_ids'>,
): Promise<MessageBatch> {
  const query = trx.updateTable('message_batches').set(frozen).where('id', '=', id).returningAll()
  return query.$castTo<MessageBatch>().executeTakeFirstOrThrow()
}

/** A batch of which the reader sees all inboxes; `lock` holds it until the transaction ends. */
export async function findBatch(
  trx: Trx,
  id: string,
  { inbox_ids }: Reach,
  lock = false,
): Promise<MessageBatch | undefined> {
  let query = trx.selectFrom('message_batches').selectAll().where('id', '=', id)
  if (inbox_ids) query = query.where(sql<boolean>`inbox_ids <@ ${inbox_ids}::uuid[]`)
  if (lock) query = query.forUpdate()
  return query.$castTo<MessageBatch>().executeTakeFirst()
}

/** Batches of which the reader sees all inboxes, newest first. */
export async function listBatches(
  trx: Trx,
  { inbox_ids }: Reach,
  page: { limit: number; after?: string | undefined },
): Promise<MessageBatch[]> {
  let query = trx.selectFrom('message_batches').selectAll()
  if (inbox_ids) query = query.where(sql<boolean>`inbox_ids <@ ${inbox_ids}::uuid[]`)
  if (page.after) query = query.where('id', '<', page.after)
  return query.orderBy('id', 'desc').limit(page.limit).$castTo<MessageBatch>().execute()
}

/** Batches of all workspaces that were made before then and go on, oldest first. */
export async function listRunningBatches(
  trx: SystemTrx,
  before: Date,
  limit: number,
): Promise<{ workspace_id: string; batch_id: string }[]> {
  return trx
    .selectFrom('message_batches')
    .select(['workspace_id', 'id as batch_id'])
    .where('state', '=', 'running')
    .where('created_at', '<', before)
    .orderBy('created_at')
    .limit(limit)
    .execute()
}

/** Takes a running batch until the transaction ends; undefined when it is finished, or another worker has it. */
export async function claimBatch(trx: Trx, id: string): Promise<MessageBatch | undefined> {
  return trx
    .selectFrom('message_batches')
    .selectAll()
    .where('id', '=', id)
    .where('state', '=', 'running')
    .forUpdate()
    .skipLocked()
    .$castTo<MessageBatch>()
    .executeTakeFirst()
}

/** How many more of a batch's messages came to what; it ends with the last of them. */
export async function countResults(
  trx: Trx,
  id: string,
  more: Record<Exclude<ItemResult, 'pending'>, number>,
  reached_id: string | null,
  now: Date,
): Promise<MessageBatch> {
  const { rows } = await sql<MessageBatch>`
    update message_batches b set done = n.done, unchanged = n.unchanged, refused = n.refused,
      reached_id = coalesce(${reached_id}::uuid, b.reached_id),
      state = case when n.finished then 'finished' else 'running' end,
      finished_at = case when n.finished then ${now}::timestamptz end
    from (select *, done + unchanged + refused = total as finished from (
      select id, total, done + ${more.done}::int as done, unchanged + ${more.unchanged}::int as unchanged,
        refused + ${more.refused}::int as refused from message_batches where id = ${id}) counted) n
    where b.id = n.id
    returning b.*`.execute(trx)
  return rows[0]!
}

export async function setUndoneBy(trx: Trx, id: string, undone_by: string): Promise<void> {
  await trx.updateTable('message_batches').set({ undone_by }).where('id', '=', id).execute()
}

/**
 * Forgets up to `limit` messages of batches that finished before then, and batches of which none is left. One that is
 * being taken back is kept until that has finished.
 */
export async function deleteOldBatches(trx: Trx, before: Date, limit: number): Promise<number> {
  const old = sql`
    from message_batches b where b.finished_at < ${before} and not exists (
      select from message_batches u where u.id = b.undone_by and u.state = 'running')`
  const { numAffectedRows } = await sql`
    delete from message_batch_items i using (
      select kept.ctid from (select b.id ${old}) gone,
        lateral (select ctid from message_batch_items where batch_id = gone.id limit ${limit}) kept limit ${limit}) old
    where i.ctid = old.ctid`.execute(trx)
  const deleted = Number(numAffectedRows ?? 0)
  if (deleted < limit) {
    await sql`delete from message_batches m where m.id in (select b.id ${old})
      and not exists (select from message_batch_items where batch_id = m.id)`.execute(trx)
  }
  return deleted
}
