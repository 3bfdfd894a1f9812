import {
  appendEvents,
  deleteTask,
  findConversation,
  findTask,
  insertTask,
  leaveUnseenTasks,
  lockWorksIn,
  type NewEvent,
  newId,
  type Task,
  type Trx,
  takeDueTasks,
  updateTask,
} from '@parley/db'
import { type Actor, DomainError, type Member, NotFound, SYSTEM } from '@parley/domain'

export type TaskDraft = Pick<Task, 'conversation_id' | 'title' | 'note' | 'due_at' | 'assignee_id'>
export type TaskChange = { [Field in 'title' | 'note' | 'due_at' | 'assignee_id' | 'state']?: Task[Field] | undefined }

/**
 * Makes a task, which is told of when it falls due; at once where that time is past.
 * @throws DomainError `validation_failed` for an unknown conversation, or an assignee who does not work in its inbox
 */
export async function createTask(trx: Trx, draft: TaskDraft, actor: Member, now: Date): Promise<Task> {
  await refuseAssignee(trx, draft.conversation_id, draft.assignee_id)
  const by = { created_by_type: actor.type, created_by_id: actor.id }
  const stamps = { tell_due_at: draft.due_at, created_at: now, updated_at: now }
  const task = await insertTask(trx, { id: newId(now), ...draft, ...by, ...stamps })
  const { title: _, note: __, ...rest } = draft
  await log(trx, 'task.created', task, rest, actor, now)
  return task
}

/**
 * Changes a task, if it is still in the version the caller saw. What is done is not told of, and another time is told of
 * anew.
 * @throws NotFound, or DomainError `version_mismatch`, `validation_failed`
 */
export async function changeTask(
  trx: Trx,
  { id, inbox_ids }: { id: string; inbox_ids: string[] | null },
  change: TaskChange,
  expected_version: number,
  actor: Actor,
  now: Date,
): Promise<Task> {
  const seen = await findTask(trx, id, inbox_ids)
  // Before the task's own lock: who shuts somebody out locks the person first, and then looks for their tasks.
  if (seen && change.assignee_id) await refuseAssignee(trx, seen.conversation_id, change.assignee_id)
  const task = seen && (await findTask(trx, id, inbox_ids, true))
  if (!task) throw new NotFound('task')
  if (task.version !== expected_version) {
    throw new DomainError('version_mismatch', 'The task has changed since you read it.')
  }
  const given = Object.entries(change).filter(
    ([field, value]) => value !== undefined && JSON.stringify(value) !== JSON.stringify(task[field as keyof Task]),
  )
  if (given.length === 0) return task
  const changed = Object.fromEntries(given) as TaskChange
  const [state, due_at] = [changed.state ?? task.state, changed.due_at ?? task.due_at]
  const tell = changed.due_at || changed.state === 'open' ? due_at : task.tell_due_at
  const updated = await updateTask(trx, id, {
    ...changed,
    done_at: state === 'done' ? (task.done_at ?? now) : null,
    tell_due_at: state === 'done' ? null : tell,
    updated_at: now,
  })
  const { title, note, ...rest } = changed
  const texts = { ...(title ? { title: true } : {}), ...(note !== undefined ? { note: true } : {}) }
  const type = changed.state === 'done' ? 'task.done' : 'task.updated'
  await log(
    trx,
    type,
    updated,
    { ...rest, ...(Object.keys(texts).length > 0 ? { changed: Object.keys(texts) } : {}) },
    actor,
    now,
  )
  return updated
}

/** Takes a task away for good. @throws NotFound */
export async function removeTask(
  trx: Trx,
  { id, inbox_ids }: { id: string; inbox_ids: string[] | null },
  actor: Actor,
  now: Date,
): Promise<Task> {
  const task = await findTask(trx, id, inbox_ids, true)
  if (!task) throw new NotFound('task')
  await deleteTask(trx, id)
  await log(trx, 'task.deleted', task, {}, actor, now)
  return task
}

/** Tells of tasks that have fallen due, up to `limit`, each once. Returns how many there were. */
export async function tellDueTasks(trx: Trx, now: Date, limit: number): Promise<number> {
  const due = await takeDueTasks(trx, now, limit)
  const events = due.map(task =>
    eventOf('task.due', task, { due_at: task.due_at, assignee_id: task.assignee_id }, SYSTEM, now),
  )
  await appendEvents(trx, events)
  return due.length
}

/** Tasks stay, and are nobody's, when their assignee does not see them any more. */
export async function giveUpTasks(
  trx: Trx,
  of: { user_id: string } | { inbox_id: string },
  actor: Actor,
  now: Date,
): Promise<void> {
  const left = await leaveUnseenTasks(trx, of, now)
  await appendEvents(
    trx,
    left.map(task => ({
      ...eventOf('task.updated', task, { assignee_id: null, reason: 'not_visible' }, actor, now),
      previous: { assignee_id: task.previous_id },
    })),
  )
}

/** The same for one that is nowhere and for one that the caller does not see. */
export const unknownConversation = () =>
  new DomainError('validation_failed', 'conversation_id names no conversation of yours.')

async function refuseAssignee(trx: Trx, conversation_id: string, assignee_id: string | null): Promise<void> {
  const conversation = await findConversation(trx, conversation_id)
  if (!conversation) throw unknownConversation()
  if (assignee_id && !(await lockWorksIn(trx, assignee_id, conversation.inbox_id))) {
    throw new DomainError('validation_failed', 'assignee_id names nobody who works in this inbox.')
  }
}

type TaskEvent = Extract<NewEvent['type'], `task.${string}`>
type Named = Pick<Task, 'id' | 'conversation_id'>

/** Titles and notes stay out of the log: what people wrote is kept in one place. */
const eventOf = (
  type: TaskEvent,
  { id, conversation_id }: Named,
  data: Record<string, unknown>,
  actor: Actor,
  now: Date,
): NewEvent => ({
  type,
  at: now,
  actor,
  conversation_id,
  data: { task_id: id, ...data },
})

async function log(trx: Trx, type: TaskEvent, task: Named, data: Record<string, unknown>, actor: Actor, now: Date) {
  await appendEvents(trx, [eventOf(type, task, data, actor, now)])
}
