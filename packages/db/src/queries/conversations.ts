import type { ConversationStatus } from '@parley/domain'
import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { Trx } from '../database.ts'
import { insertRows, rowsOf } from '../rows.ts'
import type { Conversations } from '../tables.generated.ts'

export type Conversation = Selectable<Conversations>
/** A conversation as clients read it, with the customer who began it; null while nobody but us has spoken. */
export type ConversationWithContact = Conversation & { contact: { id: string; name: string } | null }

const withContact = (trx: Trx) =>
  trx
    .selectFrom('conversations')
    .leftJoin('contacts', join =>
      join
        .onRef('contacts.workspace_id', '=', 'conversations.workspace_id')
        .onRef('contacts.id', '=', 'conversations.contact_id'),
    )
    .selectAll('conversations')
    .select('contacts.name as contact_name')

function nestContact({
  contact_name,
  ...row
}: Conversation & { contact_name: string | null }): ConversationWithContact {
  const { contact_id } = row
  return { ...row, contact: contact_id && contact_name !== null ? { id: contact_id, name: contact_name } : null }
}

export async function findConversation(trx: Trx, id: string): Promise<ConversationWithContact | undefined> {
  const row = await withContact(trx).where('conversations.id', '=', id).executeTakeFirst()
  return row && nestContact(row)
}

/** Locks one conversation until the transaction ends; undefined when this workspace has none. */
export async function lockConversation(trx: Trx, id: string): Promise<Conversation | undefined> {
  return trx.selectFrom('conversations').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

export type ConversationFilter = {
  status?: ConversationStatus[] | undefined
  inbox_id?: string | undefined
  channel_id?: string | undefined
  /** null: nobody owns it. */
  assignee_id?: string | null | undefined
  waiting?: boolean | undefined
}
export type ConversationSort = 'newest' | 'oldest' | 'waiting'
/** The sort column's value and the id of the last row of the page before. */
export type ConversationPosition = { at: Date; id: string }

/** One page of conversations, `limit` rows past `after`. `waiting` lists who waits, the longest wait first. */
export async function listConversations(
  trx: Trx,
  filter: ConversationFilter,
  page: { sort: ConversationSort; limit: number; after?: ConversationPosition | undefined },
): Promise<ConversationWithContact[]> {
  const column = page.sort === 'waiting' ? 'conversations.waiting_since' : 'conversations.last_message_at'
  const direction = page.sort === 'newest' ? 'desc' : 'asc'
  let query = withContact(trx)
  if (filter.status) query = query.where('conversations.status', 'in', filter.status)
  if (filter.inbox_id) query = query.where('conversations.inbox_id', '=', filter.inbox_id)
  if (filter.channel_id) query = query.where('conversations.channel_id', '=', filter.channel_id)
  if (filter.assignee_id === null) query = query.where('conversations.assignee_id', 'is', null)
  else if (filter.assignee_id) query = query.where('conversations.assignee_id', '=', filter.assignee_id)
  if (filter.waiting || page.sort === 'waiting') query = query.where('conversations.waiting_since', 'is not', null)
  if (page.after) {
    const { at, id } = page.after
    // One row comparison, so that an index on (column, id) serves every page.
    query = query.where(eb =>
      eb(eb.refTuple(column, 'conversations.id'), direction === 'desc' ? '<' : '>', eb.tuple(at, id)),
    )
  }
  const rows = await query.orderBy(column, direction).orderBy('conversations.id', direction).limit(page.limit).execute()
  return rows.map(nestContact)
}

/** Writes a change and raises the version; the caller holds the row's lock. */
export async function updateConversation(
  trx: Trx,
  id: string,
  change: Updateable<Conversations>,
): Promise<Conversation> {
  return trx
    .updateTable('conversations')
    .set(eb => ({ ...change, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
}

/** Locks the channel's conversations of these threads, in id order so that two writers cannot deadlock. */
export async function lockConversationsByThread(
  trx: Trx,
  channel_id: string,
  thread_keys: string[],
): Promise<Conversation[]> {
  const { rows } = await sql<Conversation>`
    select locked.* from (
      select c.id from unnest(${thread_keys}::text[]) as wanted (thread_key),
        lateral (select id from conversations
          where channel_id = ${channel_id} and thread_key = wanted.thread_key limit 1) c
      order by c.id) found,
      lateral (select * from conversations where id = found.id for update) locked`.execute(trx)
  return rows
}

export async function insertConversations(trx: Trx, rows: Insertable<Conversations>[]): Promise<void> {
  await insertRows(trx, 'conversations', rows)
}

export type ConversationTouch = {
  id: string
  status: ConversationStatus
  waiting_since: Date | null
  last_message_at: Date
  contact_id: string | null
  subject: string | null
  first_message_at: Date
  first_external_id: string | null
  updated_at: Date
}

/** Moves many conversations on at once after something was said in them. */
export async function touchConversations(trx: Trx, touches: ConversationTouch[]): Promise<void> {
  if (touches.length === 0) return
  await sql`
    update conversations c
    set status = t.status, waiting_since = t.waiting_since, last_message_at = t.last_message_at,
      contact_id = t.contact_id, subject = t.subject,
      first_message_at = t.first_message_at, first_external_id = t.first_external_id,
      updated_at = t.updated_at, version = c.version + 1,
      resolved_at = case when t.status = 'resolved' then c.resolved_at end
    from ${rowsOf('conversations', touches)} t,
      lateral (select ctid from conversations where id = t.id for update) found
    where c.ctid = found.ctid`.execute(trx)
}

/** These conversations in the order given; those that are not there are left out. */
export async function listConversationsByIds(trx: Trx, ids: string[]): Promise<ConversationWithContact[]> {
  if (ids.length === 0) return []
  const rows = await withContact(trx)
    .where(eb => eb('conversations.id', '=', eb.fn.any(eb.val(ids))))
    .execute()
  const known = new Map(rows.map(row => [row.id, nestContact(row)]))
  return ids.flatMap(id => known.get(id) ?? [])
}
