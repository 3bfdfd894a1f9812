import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Post } from './posts.ts'

export type PostNews = { post_id: string; minute: number; count: number }

/** Counts messages in their minutes. */
export async function addToMinutes(trx: Trx, news: PostNews[]): Promise<void> {
  if (news.length === 0) return
  await sql`
    insert into post_minutes as m (post_id, minute, count)
    select * from unnest(${news.map(one => one.post_id)}::uuid[], ${news.map(one => one.minute)}::int[],
      ${news.map(one => one.count)}::int[])
    on conflict (workspace_id, post_id, minute) do update set count = m.count + excluded.count`.execute(trx)
}

/** Counts new messages of posts, and moves these up in the list. */
export async function touchPosts(
  trx: Trx,
  touches: { post_id: string; count: number; last_message_at: Date }[],
): Promise<void> {
  if (touches.length === 0) return
  await sql`
    update posts p set message_count = p.message_count + t.count,
      last_message_at = greatest(p.last_message_at, t.last_message_at)
    from unnest(${touches.map(one => one.post_id)}::uuid[], ${touches.map(one => one.count)}::int[],
      ${touches.map(one => one.last_message_at)}::timestamptz[]) as t (id, count, last_message_at)
    where p.id = t.id`.execute(trx)
}

export type RatedPost = Pick<Post, 'id' | 'channel_id' | 'surge' | 'surging_until'> & {
  /** When it could first get messages that reach us. */
  born_at: Date
  minutes: { minute: number; count: number }[]
}

/** Posts with their messages by minute since then, locked. */
export async function lockRatedPosts(trx: Trx, ids: string[], since_minute: number): Promise<RatedPost[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<RatedPost>`
    select p.id, p.channel_id, p.surge, p.surging_until,
      greatest(least(p.occurred_at, p.first_seen_at), c.connected_at) as born_at,
      (select coalesce(json_agg(json_build_object('minute', m.minute, 'count', m.count)), '[]') from post_minutes m
        where m.post_id = p.id and m.minute >= ${since_minute}) as minutes
    from posts p join channels c on c.workspace_id = p.workspace_id and c.id = p.channel_id
    where p.id = any(${ids}::uuid[]) order by p.id for update of p`.execute(trx)
  return rows
}

export async function updateSurge(
  trx: Trx,
  id: string,
  { surge, until }: { surge: unknown; until: Date },
): Promise<void> {
  await trx
    .updateTable('posts')
    .set({ surge: JSON.stringify(surge), surging_until: until })
    .where('id', '=', id)
    .execute()
}

/** How many messages came on these posts since that minute. */
export async function countSince(trx: Trx, ids: string[], since_minute: number): Promise<Map<string, number>> {
  if (ids.length === 0) return new Map()
  const { rows } = await sql<{ post_id: string; count: number }>`
    select post_id, sum(count)::int as count from post_minutes
    where post_id = any(${ids}::uuid[]) and minute > ${since_minute} group by post_id`.execute(trx)
  return new Map(rows.map(row => [row.post_id, row.count]))
}

/** Forgets rates that are no use any more, up to `limit` minutes. Returns how many. */
export async function deleteOldMinutes(trx: Trx, before_minute: number, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from post_minutes where (workspace_id, post_id, minute) in (
      select workspace_id, post_id, minute from post_minutes where minute < ${before_minute}
      order by minute limit ${limit})`.execute(trx)
  return Number(numAffectedRows ?? 0)
}
