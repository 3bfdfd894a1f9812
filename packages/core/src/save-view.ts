import {
  appendEvents,
  deleteView,
  insertView,
  lockView,
  newId,
  type Trx,
  updateView,
  type View,
  type ViewReader,
} from '@parley/db'
import { type ConversationSort, DomainError, type Member, NotFound, type Role, type ViewScope } from '@parley/domain'
import { ownersOf, refuseUnlessTheirs } from './shared-scope.ts'

/** Who saves it, and what they see and may do. */
export type ViewAuthor = ViewReader & { actor: Member; role: Role }

export type ViewDraft = {
  name: string
  scope: ViewScope
  team_id?: string | undefined
  /** Checked already: it names only what is there. */
  filter: Record<string, unknown>
  sort: ConversationSort
}
export type ViewChange = {
  name?: string | undefined
  filter?: Record<string, unknown> | undefined
  sort?: ConversationSort | undefined
}

/**
 * Saves a list to look at again. One's own is one's own business; those of a team or of everybody are a lead's.
 * @throws DomainError `forbidden`, or `validation_failed` for a personal one of nobody or a team that is not theirs
 */
export async function createView(trx: Trx, draft: ViewDraft, author: ViewAuthor, now: Date): Promise<View> {
  const { name, scope, team_id, filter, sort } = draft
  const owners = ownersOf({ scope, team_id }, author)
  const view = await insertView(trx, {
    id: newId(now),
    name,
    ...owners,
    filter: JSON.stringify(filter),
    sort,
    created_at: now,
    updated_at: now,
  })
  const data = { view_id: view.id, name, scope }
  await appendEvents(trx, [{ type: 'view.created', at: now, actor: author.actor, data }])
  return view
}

/** @throws NotFound, or DomainError `forbidden`, `version_mismatch` */
export async function changeView(
  trx: Trx,
  id: string,
  change: ViewChange,
  expected_version: number,
  author: ViewAuthor,
  now: Date,
): Promise<View> {
  const view = await lockTheirs(trx, id, author)
  if (view.version !== expected_version)
    throw new DomainError('version_mismatch', 'The view has changed since you read it.')
  const { name = view.name, sort = view.sort, filter } = change
  const changed = await updateView(trx, id, {
    name,
    sort,
    updated_at: now,
    ...(filter ? { filter: JSON.stringify(filter) } : {}),
  })
  const data = { view_id: id, name, scope: view.scope }
  await appendEvents(trx, [{ type: 'view.updated', at: now, actor: author.actor, data }])
  return changed
}

/** @throws NotFound, or DomainError `forbidden` */
export async function removeView(trx: Trx, id: string, author: ViewAuthor, now: Date): Promise<View> {
  const view = await lockTheirs(trx, id, author)
  await deleteView(trx, id)
  const data = { view_id: id, name: view.name, scope: view.scope }
  await appendEvents(trx, [{ type: 'view.deleted', at: now, actor: author.actor, data }])
  return view
}

async function lockTheirs(trx: Trx, id: string, author: ViewAuthor): Promise<View> {
  const view = await lockView(trx, author, id)
  if (!view) throw new NotFound('view')
  refuseUnlessTheirs(view.scope, author)
  return view
}
