import {
  appendEvents,
  findTag,
  insertTag,
  listTagsByKey,
  lockConversation,
  newId,
  tagConversation as storeTag,
  type Tag,
  type Trx,
  untagConversation as takeTag,
  updateTag,
} from '@parley/db'
import { type Actor, DomainError, NotFound, searchKey } from '@parley/domain'
import { settleClocks } from './sla/settle-clocks.ts'

/** Makes a tag. @throws DomainError `conflict` where there is one of that name, whatever its case */
export async function createTag(
  trx: Trx,
  { name, color }: { name: string; color: string | null },
  actor: Actor,
  now: Date,
): Promise<Tag> {
  const tag = await makeTag(trx, name, color, actor, now)
  if (!tag) throw new DomainError('conflict', 'There is a tag of that name already.')
  return tag
}

/** Undefined where there is one of that name. */
async function makeTag(trx: Trx, name: string, color: string | null, actor: Actor, now: Date) {
  const row = { id: newId(now), name, name_key: searchKey(name), color, archived_at: null, created_at: now }
  const tag = await insertTag(trx, row)
  if (tag) await appendEvents(trx, [{ type: 'tag.created', at: now, actor, data: { tag_id: tag.id, name } }])
  return tag
}

async function findByName(trx: Trx, name: string): Promise<Tag | undefined> {
  return (await listTagsByKey(trx, [searchKey(name)]))[0]
}

/**
 * Changes a tag's spelling or colour, or puts it away: what has it keeps it.
 * @throws NotFound, or DomainError `validation_failed` for another name: views and rules know it by this one
 */
export async function changeTag(
  trx: Trx,
  id: string,
  change: { name?: string | undefined; color?: string | null | undefined; archived?: boolean | undefined },
  actor: Actor,
  now: Date,
): Promise<Tag> {
  const tag = await findTag(trx, id)
  if (!tag) throw new NotFound('tag')
  const { name = tag.name, color = tag.color, archived = tag.archived_at !== null } = change
  if (searchKey(name) !== tag.name_key)
    throw new DomainError('validation_failed', 'Only the spelling of a name can change: make another tag.')
  const changed = (await updateTag(trx, id, { name, color, archived_at: archived ? (tag.archived_at ?? now) : null }))!
  const data = { tag_id: id, name, color, archived }
  await appendEvents(trx, [{ type: 'tag.updated', at: now, actor, data }])
  return changed
}

/**
 * Puts a tag on a conversation; one that is not there yet is made. False where it has that tag already.
 * @throws NotFound, or DomainError `conflict` for one in the archive
 */
export async function tagConversation(trx: Trx, id: string, name: string, actor: Actor, now: Date): Promise<boolean> {
  const conversation = await lockConversation(trx, id)
  if (!conversation) throw new NotFound('conversation')
  // Somebody else may make it at this very moment.
  const tag =
    (await findByName(trx, name)) ?? (await makeTag(trx, name, null, actor, now)) ?? (await findByName(trx, name))!
  if (tag.archived_at) throw new DomainError('conflict', 'This tag is in the archive.')
  const author = { tagged_by_type: actor.type, tagged_by_id: actor.id, tagged_at: now }
  if (!(await storeTag(trx, { conversation_id: id, tag_id: tag.id, ...author }))) return false
  const data = { tag_id: tag.id, name: tag.name }
  await appendEvents(trx, [{ type: 'conversation.tagged', at: now, actor, conversation_id: id, data }])
  await settleClocks(trx, [{ ...conversation, changed: ['tag'] }], actor, now)
  return true
}

/** Takes a tag off a conversation. False where it does not have it. @throws NotFound */
export async function untagConversation(trx: Trx, id: string, name: string, actor: Actor, now: Date): Promise<boolean> {
  const conversation = await lockConversation(trx, id)
  if (!conversation) throw new NotFound('conversation')
  const tag = await findByName(trx, name)
  if (!tag || !(await takeTag(trx, id, tag.id))) return false
  const data = { tag_id: tag.id, name: tag.name }
  await appendEvents(trx, [{ type: 'conversation.untagged', at: now, actor, conversation_id: id, data }])
  await settleClocks(trx, [{ ...conversation, changed: ['tag'] }], actor, now)
  return true
}
