import { CONVERSATION_STATUSES } from '@parley/domain'
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Post } from './posts.ts'

/** A post as clients read it; `deleted_at` when its network said that it is gone. */
export type ListedPost = Post & { deleted_at: Date | null }

export type PostFilter = {
  channel_id?: string | undefined
  inbox_ids?: string[] | undefined
  /** Those in which a surge goes on at this time. */
  surging_at?: Date | undefined
}

export type PostPosition = { last_message_at: Date; id: string }

// A deletion is told by its tombstone, whichever of the two came first.
const withDeletion = (posts: RawBuilder<unknown>) => sql<ListedPost>`
  select p.*, gone.version_at as deleted_at from ${posts} p
  left join message_tombstones gone
    on gone.workspace_id = p.workspace_id and gone.channel_id = p.channel_id and gone.external_id = p.external_id`

export async function findPost(trx: Trx, id: string): Promise<ListedPost | undefined> {
  const { rows } = await withDeletion(sql`(select * from posts where id = ${id})`).execute(trx)
  return rows[0]
}

export async function listPostsByIds(trx: Trx, ids: string[]): Promise<Map<string, ListedPost>> {
  if (ids.length === 0) return new Map()
  const { rows } = await withDeletion(sql`(select * from posts where id = any(${ids}::uuid[]))`).execute(trx)
  return new Map(rows.map(row => [row.id, row]))
}

/** Posts by when something was last said on them, newest first: one probe of an index for each channel that is asked for. */
export async function listPosts(
  trx: Trx,
  { channel_id, inbox_ids, surging_at }: PostFilter,
  page: { limit: number; after?: PostPosition | undefined },
): Promise<ListedPost[]> {
  const order = sql`last_message_at desc, id desc`
  const conditions = [
    ...(page.after ? [sql`(last_message_at, id) < (${page.after.last_message_at}, ${page.after.id}::uuid)`] : []),
    ...(surging_at ? [sql`surging_until > ${surging_at}`] : []),
  ]
  const probe = (equal: RawBuilder<unknown>[]) =>
    sql`(select * from posts where ${sql.join([sql`true`, ...equal, ...conditions], sql` and `)}
      order by ${order} limit ${page.limit})`
  const channels = [
    ...(channel_id ? [sql`c.id = ${channel_id}`] : []),
    ...(inbox_ids ? [sql`c.inbox_id = any(${inbox_ids}::uuid[])`] : []),
  ]
  const found =
    channels.length === 0
      ? probe([])
      : sql`(select p.* from channels c cross join lateral ${probe([sql`channel_id = c.id`])} p
          where ${sql.join(channels, sql` and `)} order by p.last_message_at desc, p.id desc limit ${page.limit})`
  const { rows } = await sql<ListedPost>`
    select * from (${withDeletion(found)}) posts order by ${order}`.execute(trx)
  return rows
}

/** `at_least`: there are more than these. `waiting_since`: since when somebody has waited longest. */
export type PostCounts = {
  post_id: string
  open: number
  unowned: number
  waiting: number
  at_least: boolean
  waiting_since: Date | null
}

/**
 * How many conversations of each post are open, how many of these nobody owns, and in how many somebody waits, of those
 * in these inboxes: each counted up to `most`, from indexes alone.
 */
export async function countOnPosts(
  trx: Trx,
  post_ids: string[],
  inbox_ids: string[] | null,
  most: number,
): Promise<PostCounts[]> {
  if (post_ids.length === 0) return []
  const seen = inbox_ids ? sql`and inbox_id = any(${inbox_ids}::uuid[])` : sql``
  const { rows } = await sql<PostCounts>`
    select p.id as post_id, least(o.open, ${most}) as open, least(o.unowned, ${most}) as unowned,
      least(w.waiting, ${most}) as waiting, (o.open > ${most} or w.waiting > ${most}) as at_least, w.waiting_since
    from unnest(${post_ids}::uuid[]) as p (id),
      lateral (
        select count(*)::int as open, (count(*) filter (where assignee_id is null))::int as unowned
        from (select assignee_id from conversations where post_id = p.id and status = 'open' ${seen}
          limit ${most + 1}) counted) o,
      lateral (
        select count(*)::int as waiting, min(waiting_since) as waiting_since
        from unnest(${CONVERSATION_STATUSES.slice()}::text[]) as s (status), lateral (
          select waiting_since from conversations
          where post_id = p.id and status = s.status and waiting_since is not null ${seen}
          order by waiting_since, id limit ${most + 1}) counted) w`.execute(trx)
  return rows
}
