import { type RawBuilder, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { Posts } from '../tables.generated.ts'

export type Post = Selectable<Posts>

/** What is told of a post. */
export type NewPost = Pick<
  Post,
  | 'id'
  | 'channel_id'
  | 'external_id'
  | 'kind'
  | 'author_external_id'
  | 'author_handle'
  | 'author_name'
  | 'author_at'
  | 'text'
  | 'text_at'
  | 'permalink'
  | 'permalink_at'
  | 'occurred_at'
  | 'first_seen_at'
  | 'last_message_at'
>

export type UpsertedPost = Pick<Post, 'id' | 'external_id' | 'kind'> & { change: 'created' | 'updated' | 'same' }

/** Told columns of `told` are newer than those of `p`. Of one moment the greater text counts, byte by byte. */
const newer = (told: RawBuilder<unknown>, at: string, ...texts: string[]) => {
  const place = (row: RawBuilder<unknown>) =>
    sql.join([sql`${row}.${sql.ref(at)}`, ...texts.map(text => sql`coalesce(${row}.${sql.ref(text)}, '')`)])
  const p = sql`p`
  return sql`(${told}.${sql.ref(at)} is not null
    and (p.${sql.ref(at)} is null or (${place(told)}) > (${place(p)})))`
}
const newerAuthor = (told: RawBuilder<unknown>) => newer(told, 'author_at', 'author_handle', 'author_name')
const newerText = (told: RawBuilder<unknown>) => newer(told, 'text_at', 'text')
const newerPermalink = (told: RawBuilder<unknown>) => newer(told, 'permalink_at', 'permalink')

const [given, excluded] = [sql`g`, sql`excluded`]
const taken = (condition: RawBuilder<unknown>, ...columns: string[]) =>
  sql.join(
    columns.map(
      column => sql`${sql.ref(column)} = case when ${condition} then excluded.${sql.ref(column)}
      else p.${sql.ref(column)} end`,
    ),
  )

/**
 * Stores what a batch tells of posts of a channel, one row for each: of each thing the newest, in whatever order it is
 * told. What brings nothing new writes and locks nothing, so that comments on one post do not wait for each other.
 */
export async function upsertPosts(trx: Trx, channel_id: string, posts: NewPost[]): Promise<UpsertedPost[]> {
  if (posts.length === 0) return []
  const columns = sql.join(Object.keys(posts[0]!).map(column => sql.ref(column)))
  // own, theirs, unknown: whoever knows more comes first in the alphabet.
  const { rows } = await sql<Omit<UpsertedPost, 'change'> & { written: boolean; changes: boolean }>`
    with told as materialized (
      select g.*, p.id as held_id, n.changes, (n.changes or n.confirms) as news
      from ${rowsOf('posts', posts)} g
        left join lateral (
          select * from posts where channel_id = ${channel_id} and external_id = g.external_id limit 1) p on true,
        lateral (
          select ${newerAuthor(given)} or ${newerText(given)} or ${newerPermalink(given)} as confirms,
            (${newerAuthor(given)} and (g.author_handle, g.author_name) is distinct from (p.author_handle, p.author_name))
            or (${newerText(given)} and g.text is distinct from p.text)
            or (${newerPermalink(given)} and g.permalink is distinct from p.permalink)
            or coalesce(g.kind < p.kind, true)
            or least(g.author_external_id, p.author_external_id) is distinct from p.author_external_id
            or least(g.occurred_at, p.occurred_at) is distinct from p.occurred_at as changes) n),
    written as (
      insert into posts as p (${columns}) select ${columns} from told where held_id is null or news order by external_id
      on conflict (workspace_id, channel_id, external_id) do update set
        kind = least(p.kind, excluded.kind),
        author_external_id = least(p.author_external_id, excluded.author_external_id),
        ${taken(newerAuthor(excluded), 'author_handle', 'author_name', 'author_at')},
        ${taken(newerText(excluded), 'text', 'text_at')},
        ${taken(newerPermalink(excluded), 'permalink', 'permalink_at')},
        occurred_at = least(p.occurred_at, excluded.occurred_at),
        first_seen_at = least(p.first_seen_at, excluded.first_seen_at)
      returning p.id, p.external_id, p.kind)
    select coalesce(held_id, id) as id, external_id, kind, changes, false as written from told
    union all select id, external_id, kind, true, true from written`.execute(trx)
  const drafts = new Set(posts.map(({ id }) => id))
  const written = new Map(rows.filter(row => row.written).map(row => [row.external_id, row]))
  return rows.flatMap(({ written: isWritten, changes, ...told }): UpsertedPost[] => {
    if (isWritten) return []
    const { id, external_id, kind } = written.get(told.external_id) ?? told
    const change = !changes || !written.has(external_id) ? 'same' : drafts.has(id) ? 'created' : 'updated'
    return [{ id, external_id, kind, change }]
  })
}

/** The network's ids of posts. */
export async function listPostKeys(trx: Trx, ids: string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await trx.selectFrom('posts').select(['id', 'external_id']).where('id', 'in', ids).execute()
  return new Map(rows.map(row => [row.id, row.external_id]))
}
