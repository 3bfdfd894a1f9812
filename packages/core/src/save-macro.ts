import {
  appendEvents,
  deleteMacro,
  findMacro,
  findMessage,
  insertMacro,
  lockConversation,
  lockMacro,
  type Macro,
  newId,
  type Trx,
  updateMacro,
} from '@parley/db'
import { type ConversationAction, DomainError, NotFound, type ViewScope } from '@parley/domain'
import { type Acting, type Applied, applyActions } from './actions/apply-actions.ts'
import type { ViewAuthor } from './save-view.ts'
import { ownersOf, refuseUnlessTheirs } from './shared-scope.ts'

export type MacroDraft = {
  name: string
  scope: ViewScope
  team_id?: string | undefined
  /** Checked already: they name only what is there. */
  actions: ConversationAction[]
}

/**
 * Keeps actions to be done again. One's own are one's own business; those of a team or of everybody are a lead's.
 * @throws DomainError `forbidden`, or `validation_failed` for a personal one of nobody or a team that is not theirs
 */
export async function createMacro(trx: Trx, draft: MacroDraft, author: ViewAuthor, now: Date): Promise<Macro> {
  const { name, actions } = draft
  const macro = await insertMacro(trx, {
    id: newId(now),
    name,
    ...ownersOf(draft, author),
    actions: JSON.stringify(actions),
    created_at: now,
    updated_at: now,
  })
  await log(trx, 'macro.created', macro, author, now)
  return macro
}

/** @throws NotFound, or DomainError `forbidden`, `version_mismatch` */
export async function changeMacro(
  trx: Trx,
  id: string,
  change: { name?: string | undefined; actions?: ConversationAction[] | undefined },
  expected_version: number,
  author: ViewAuthor,
  now: Date,
): Promise<Macro> {
  const macro = await lockTheirs(trx, id, author)
  if (macro.version !== expected_version)
    throw new DomainError('version_mismatch', 'The macro has changed since you read it.')
  const { name = macro.name, actions = macro.actions } = change
  const changed = await updateMacro(trx, id, { name, actions: JSON.stringify(actions), updated_at: now })
  await log(trx, 'macro.updated', changed, author, now)
  return changed
}

/** @throws NotFound, or DomainError `forbidden` */
export async function removeMacro(trx: Trx, id: string, author: ViewAuthor, now: Date): Promise<Macro> {
  const macro = await lockTheirs(trx, id, author)
  await deleteMacro(trx, id)
  await log(trx, 'macro.deleted', macro, author, now)
  return macro
}

/**
 * Does everything that a macro says to one conversation.
 * @throws NotFound, or DomainError `newer_messages` for a reply to less than what there is, `validation_failed` where
 *   `seen_up_to` is none of its messages
 */
export async function runMacro(
  trx: Trx,
  target: { id: string; conversation_id: string },
  author: ViewAuthor,
  acting: Acting,
  now: Date,
): Promise<Applied & { macro: Macro }> {
  const conversation = await lockConversation(trx, target.conversation_id)
  if (!conversation) throw new NotFound('conversation')
  const macro = await findMacro(trx, author, target.id)
  if (!macro) throw new NotFound('macro')
  const seen_up_to = acting.reply?.seen_up_to
  if (seen_up_to && (await findMessage(trx, seen_up_to))?.conversation_id !== conversation.id)
    throw new DomainError('validation_failed', 'seen_up_to names no message of this conversation.')
  const applied = await applyActions(trx, conversation, macro.actions as ConversationAction[], acting, now)
  const data = { macro_id: macro.id, version: macro.version, actions: applied.outcomes }
  await appendEvents(trx, [{ type: 'macro.run', at: now, actor: acting.actor, conversation_id: conversation.id, data }])
  return { ...applied, macro }
}

async function log(
  trx: Trx,
  type: 'macro.created' | 'macro.updated' | 'macro.deleted',
  { id, name, scope, version, actions }: Macro,
  { actor }: ViewAuthor,
  now: Date,
): Promise<void> {
  await appendEvents(trx, [{ type, at: now, actor, data: { macro_id: id, name, scope, version, actions } }])
}

async function lockTheirs(trx: Trx, id: string, author: ViewAuthor): Promise<Macro> {
  const macro = await lockMacro(trx, author, id)
  if (!macro) throw new NotFound('macro')
  refuseUnlessTheirs(macro.scope as ViewScope, author)
  return macro
}
