import type { Insertable, Selectable, Updateable } from 'kysely'
import type { Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { Tags } from '../tables.generated.ts'

export type Tag = Selectable<Tags>

/** Undefined where there is one of that name already. */
export async function insertTag(trx: Trx, row: Insertable<Tags>): Promise<Tag | undefined> {
  return trx
    .insertInto('tags')
    .values(row)
    .onConflict(conflict => conflict.columns(['workspace_id', 'name_key']).doNothing())
    .returningAll()
    .executeTakeFirst()
}

export async function listTags(trx: Trx, page: IdPage): Promise<Tag[]> {
  return trx.selectFrom('tags').selectAll().where('id', '>', startOf(page)).orderBy('id').limit(page.limit).execute()
}

export async function findTag(trx: Trx, id: string): Promise<Tag | undefined> {
  return trx.selectFrom('tags').selectAll().where('id', '=', id).executeTakeFirst()
}

/** By names as `tagKey` writes them. */
export async function listTagsByKey(trx: Trx, name_keys: string[]): Promise<Tag[]> {
  if (name_keys.length === 0) return []
  return trx.selectFrom('tags').selectAll().where('name_key', 'in', name_keys).execute()
}

export async function updateTag(trx: Trx, id: string, change: Updateable<Tags>): Promise<Tag | undefined> {
  return trx.updateTable('tags').set(change).where('id', '=', id).returningAll().executeTakeFirst()
}

/** False where the conversation has it already. */
export async function tagConversation(
  trx: Trx,
  row: {
    conversation_id: string
    tag_id: string
    tagged_by_type: string
    tagged_by_id: string | null
    tagged_at: Date
  },
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('conversation_tags')
    .values(row)
    .onConflict(conflict => conflict.columns(['workspace_id', 'conversation_id', 'tag_id']).doNothing())
    .executeTakeFirst()
  return (numInsertedOrUpdatedRows ?? 0n) > 0n
}

/** False where the conversation did not have it. */
export async function untagConversation(trx: Trx, conversation_id: string, tag_id: string): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('conversation_tags')
    .where('conversation_id', '=', conversation_id)
    .where('tag_id', '=', tag_id)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** The tags of these conversations, by name. */
export async function listTagsOf(
  trx: Trx,
  conversation_ids: string[],
): Promise<(Pick<Tag, 'id' | 'name' | 'color'> & { conversation_id: string })[]> {
  return trx
    .selectFrom('conversation_tags as c')
    .innerJoin('tags as t', join => join.onRef('t.workspace_id', '=', 'c.workspace_id').onRef('t.id', '=', 'c.tag_id'))
    .select(['c.conversation_id', 't.id', 't.name', 't.color'])
    .where('c.conversation_id', 'in', conversation_ids)
    .orderBy('t.name_key')
    .execute()
}
