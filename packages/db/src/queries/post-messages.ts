import type { Disposition } from '@parley/domain'
import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { PostMessages } from '../tables.generated.ts'
import type { Message } from './messages.ts'

export type NewPostMessage = Insertable<PostMessages>

export type PostedMessage = Pick<Message, 'id' | 'body' | 'contact_id' | 'occurred_at' | 'from_history'> & {
  post_id: string
  kept: boolean
} & PostTriage

/** What triage found in a message; all null while it has not looked, or where it never does. */
export type PostTriage = Pick<Selectable<PostMessages>, 'language' | 'question' | 'sentiment' | 'proposed_disposition'>

/** Of these messages those that customers wrote on a post, as they stand now. `kept`: not deleted, not erased. */
export async function listPosted(trx: Trx, message_ids: string[], erased_mark: string): Promise<PostedMessage[]> {
  if (message_ids.length === 0) return []
  const { rows } = await sql<PostedMessage>`
    select m.id, m.body, m.contact_id, m.occurred_at, m.from_history, v.post_id,
      t.language, t.question, t.sentiment, t.proposed_disposition,
      (m.deleted_at is null and m.contact_id is not null and ${erased_mark} <> all (m.body_marks)) as kept
    from unnest(${message_ids}::uuid[]) as wanted (id),
      lateral (select * from messages where id = wanted.id and direction = 'inbound' limit 1) m,
      lateral (select post_id from conversations where id = m.conversation_id and post_id is not null limit 1) v
      left join lateral (select * from message_triage where message_id = m.id limit 1) t on true
    order by m.id`.execute(trx)
  return rows
}

/** The next messages of a conversation, by their ids. */
export async function listIdsInConversation(
  trx: Trx,
  conversation_id: string,
  after: string,
  limit: number,
): Promise<string[]> {
  const rows = await trx
    .selectFrom('messages')
    .select('id')
    .where('conversation_id', '=', conversation_id)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}

const KEPT = [
  ...['post_id', 'contact_id', 'at', 'fingerprint'],
  ...['language', 'question', 'sentiment', 'proposed_disposition'],
] as const
const listed = (of?: string) => sql.join(KEPT.map(column => sql.ref(of ? `${of}.${column}` : column)))

/** Brings what is kept of messages on posts level with them. Returns those that were not there before. */
export async function putPostMessages(trx: Trx, rows: NewPostMessage[]): Promise<{ message_id: string }[]> {
  if (rows.length === 0) return []
  const fresh = await sql<{ message_id: string; fresh: boolean }>`
    insert into post_messages as p (message_id, ${listed()})
    select message_id, ${listed()} from ${rowsOf('post_messages', rows)} as told
    on conflict (workspace_id, message_id) do update set (${listed()}) = row (${listed('excluded')})
      where row (${listed('p')}) is distinct from row (${listed('excluded')})
    returning message_id, xmax = 0 as fresh`.execute(trx)
  return fresh.rows.filter(row => row.fresh)
}

export async function removePostMessages(trx: Trx, message_ids: string[]): Promise<void> {
  if (message_ids.length === 0) return
  await sql`delete from post_messages where message_id = any(${message_ids}::uuid[])`.execute(trx)
}

export async function removePostMessagesOf(trx: Trx, contact_ids: string[]): Promise<void> {
  if (contact_ids.length === 0) return
  await sql`delete from post_messages where contact_id = any(${contact_ids}::uuid[])`.execute(trx)
}

export type PostMessage = { message_id: string; at: Date; fingerprint: string; disposition: Disposition } & PostTriage &
  Pick<Message, 'conversation_id' | 'contact_id' | 'body'>

/** Of what triage has looked at; null: of which it could not tell the language, or proposes no disposition. */
export type PostMessageFilter = {
  /** Only what says the same. */
  fingerprint?: string | undefined
  language?: string | null | undefined
  question?: boolean | undefined
  sentiment?: string | undefined
  proposed_disposition?: string | null | undefined
}

const SHOWN = sql`p.message_id, p.at, p.fingerprint, p.language, p.question, p.sentiment, p.proposed_disposition,
  m.conversation_id, m.contact_id, m.body, m.disposition`

/** What customers said on a post, newest first. */
export async function listPostMessages(
  trx: Trx,
  post_id: string,
  filter: PostMessageFilter,
  disposition: Disposition | undefined,
  page: { limit: number; after?: Pick<PostMessage, 'at' | 'message_id'> | undefined },
): Promise<PostMessage[]> {
  const wanted = Object.entries(filter).flatMap(([column, value]) => {
    if (value === undefined) return []
    const is = value === null ? sql`is null and question is not null` : sql`= ${value}`
    return [sql`and ${sql.ref(column)} ${is}`]
  })
  const after = page.after ? sql`and (at, message_id) < (${page.after.at}, ${page.after.message_id}::uuid)` : sql``
  const became = disposition
    ? sql`and exists (select from messages d where d.id = post_messages.message_id and d.disposition = ${disposition})`
    : sql``
  const { rows } = await sql<PostMessage>`
    select ${SHOWN}
    from (select * from post_messages where post_id = ${post_id} ${sql.join(wanted, sql` `)} ${became} ${after}
      order by at desc, message_id desc limit ${page.limit}) p,
      lateral (select * from messages where id = p.message_id limit 1) m
    order by p.at desc, p.message_id desc`.execute(trx)
  return rows
}

export async function listPostMessagesByIds(trx: Trx, ids: string[]): Promise<Map<string, PostMessage>> {
  if (ids.length === 0) return new Map()
  const { rows } = await sql<PostMessage>`
    select ${SHOWN}
    from unnest(${ids}::uuid[]) as wanted (id),
      lateral (select * from post_messages where message_id = wanted.id limit 1) p,
      lateral (select * from messages where id = wanted.id limit 1) m`.execute(trx)
  return new Map(rows.map(row => [row.message_id, row]))
}
