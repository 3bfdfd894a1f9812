import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Channel } from './channels.ts'
import type { Post } from './posts.ts'

export type ErasablePost = Pick<
  Post,
  'id' | 'channel_id' | 'external_id' | 'author_external_id' | 'author_handle' | 'author_name' | 'text'
> &
  Pick<Channel, 'kind'>

/** The next posts by accounts with these ids, on whatever network, or on which these contacts said something; locked. */
export async function listPostsAround(
  trx: Trx,
  contact_ids: string[],
  account_ids: string[],
  after: string,
  limit: number,
): Promise<ErasablePost[]> {
  const { rows } = await sql<ErasablePost>`
    select p.id, p.channel_id, c.kind, p.external_id, p.author_external_id, p.author_handle, p.author_name, p.text
    from posts p join channels c on c.workspace_id = p.workspace_id and c.id = p.channel_id
    where p.id in (
      select id from posts where author_external_id = any(${account_ids}::text[])
      union all
      select v.post_id from messages m join conversations v on v.workspace_id = m.workspace_id and v.id = m.conversation_id
        where m.contact_id = any(${contact_ids}::uuid[]) and v.post_id is not null)
      and p.id > ${after}
    order by p.id limit ${limit} for update of p`.execute(trx)
  return rows
}

/** Leaves of a post that it was there, and what was said on it. */
export async function blankPost(trx: Trx, id: string, external_id: string): Promise<void> {
  await trx
    .updateTable('posts')
    .set({ external_id, text: null, permalink: null, author_external_id: null, author_handle: null, author_name: null })
    .where('id', '=', id)
    .execute()
}

export async function redactPost(
  trx: Trx,
  id: string,
  texts: Pick<Post, 'text' | 'author_handle' | 'author_name'>,
): Promise<void> {
  await trx.updateTable('posts').set(texts).where('id', '=', id).execute()
}
