import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { Tasks } from '../tables.generated.ts'
import { mayWork } from './visibility.ts'

export type Task = Selectable<Tasks>
export type TaskFilter = {
  /** What the caller sees; null: everything. */
  inbox_ids: string[] | null
  conversation_id?: string | undefined
  /** null: nobody's. */
  assignee_id?: string | null | undefined
  state?: Task['state'] | undefined
  due_before?: Date | undefined
}
export type TaskPosition = { due_at: Date; id: string }

export async function insertTask(trx: Trx, row: Insertable<Tasks>): Promise<Task> {
  return trx.insertInto('tasks').values(row).returningAll().executeTakeFirstOrThrow()
}

/** Tasks of conversations that the caller sees, what is due first first. */
export async function listTasks(
  trx: Trx,
  filter: TaskFilter,
  page: { limit: number; after?: TaskPosition | undefined },
): Promise<Task[]> {
  const { inbox_ids, conversation_id, assignee_id, state, due_before } = filter
  let query = trx.selectFrom('tasks').selectAll()
  if (conversation_id) query = query.where('conversation_id', '=', conversation_id)
  if (assignee_id !== undefined) query = query.where('assignee_id', assignee_id === null ? 'is' : '=', assignee_id)
  if (state) query = query.where('state', '=', state)
  if (due_before) query = query.where('due_at', '<', due_before)
  if (inbox_ids) query = query.where(seen(inbox_ids))
  if (page.after) {
    const { due_at, id } = page.after
    query = query.where(eb => eb(eb.refTuple('due_at', 'id'), '>', eb.tuple(due_at, id)))
  }
  return query.orderBy('due_at').orderBy('id').limit(page.limit).execute()
}

const seen = (inbox_ids: string[]) => sql<boolean>`exists (select from conversations c
  where c.id = tasks.conversation_id and c.inbox_id = any(${inbox_ids}::uuid[]))`

/** A task of a conversation that the caller sees; with `lock` held until the transaction ends. */
export async function findTask(
  trx: Trx,
  id: string,
  inbox_ids: string[] | null,
  lock = false,
): Promise<Task | undefined> {
  let query = trx.selectFrom('tasks').selectAll().where('id', '=', id)
  if (inbox_ids) query = query.where(seen(inbox_ids))
  return (lock ? query.forUpdate() : query).executeTakeFirst()
}

/** Changes a task and raises its version; the caller holds its lock. */
export async function updateTask(trx: Trx, id: string, change: Updateable<Tasks>): Promise<Task> {
  return trx
    .updateTable('tasks')
    .set(eb => ({ ...change, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
}

export async function deleteTask(trx: Trx, id: string): Promise<void> {
  await trx.deleteFrom('tasks').where('id', '=', id).execute()
}

/** Workspaces in which a task has fallen due and nobody was told. */
export async function listWorkspacesWithDueTasks(trx: SystemTrx, now: Date): Promise<string[]> {
  const rows = await trx.selectFrom('tasks').select('workspace_id').distinct().where('tell_due_at', '<=', now).execute()
  return rows.map(({ workspace_id }) => workspace_id)
}

/** Takes up to `limit` tasks that have fallen due, so that each is told of once. What another worker has is passed over. */
export async function takeDueTasks(trx: Trx, now: Date, limit: number): Promise<Task[]> {
  const { rows } = await sql<Task>`
    update tasks t set tell_due_at = null from (
      select id from tasks where tell_due_at <= ${now} order by tell_due_at limit ${limit} for update skip locked) due
    where t.id = due.id returning t.*`.execute(trx)
  return rows
}

/** Leaves open tasks to nobody whose assignee does not work in their inbox any more. */
export async function leaveUnseenTasks(
  trx: Trx,
  of: { user_id: string } | { inbox_id: string },
  now: Date,
): Promise<{ id: string; conversation_id: string; previous_id: string }[]> {
  const which = 'user_id' in of ? sql`t.assignee_id = ${of.user_id}` : sql`c.inbox_id = ${of.inbox_id}`
  const { rows } = await sql<{ id: string; conversation_id: string; previous_id: string }>`
    update tasks k set assignee_id = null, version = k.version + 1, updated_at = ${now}
    from (select t.id, t.assignee_id from tasks t
      join conversations c on c.workspace_id = t.workspace_id and c.id = t.conversation_id
      where t.state = 'open' and t.assignee_id is not null and ${which}
        and not ${mayWork(sql`t.assignee_id`, sql`c.inbox_id`)}
      order by t.id for update of t) lost
    where k.id = lost.id returning k.id, k.conversation_id, lost.assignee_id as previous_id`.execute(trx)
  return rows
}
