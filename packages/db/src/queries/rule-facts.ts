import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Conversation } from './conversations.ts'
import type { EventRow } from './events.ts'
import type { Message } from './messages.ts'

/** What rules ask about the message of an event. `first`: of its customers' messages in the conversation. */
export type MessageFacts = Pick<Message, 'id' | 'body' | 'disposition' | 'from_history'> & { first: boolean }

export async function listMessageFacts(trx: Trx, ids: string[]): Promise<MessageFacts[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<MessageFacts>`
    select m.id, m.body, m.disposition, m.from_history, not exists (
      select from messages o where o.conversation_id = m.conversation_id and o.direction = 'inbound'
        and (o.occurred_at, o.thread_position) < (m.occurred_at, m.thread_position)) as first
    from messages m where m.id = any(${ids}::uuid[])`.execute(trx)
  return rows
}

/** Of these channels, their kinds. */
export async function listChannelKinds(trx: Trx, ids: string[]): Promise<{ id: string; kind: string }[]> {
  if (ids.length === 0) return []
  const query = trx.selectFrom('channels').select(['id', 'kind'])
  return query.where(eb => eb('id', '=', eb.fn.any(eb.val(ids)))).execute()
}

/** What rules ask about a contact, itself or as whom it was merged into. */
export type PersonFacts = { id: string; do_not_contact: boolean; attributes: Record<string, unknown> }

export async function listPersonFacts(trx: Trx, ids: string[]): Promise<PersonFacts[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<PersonFacts>`
    select c.id, c.do_not_contact or coalesce(p.do_not_contact, false) as do_not_contact,
      coalesce(p.attributes, c.attributes) as attributes
    from contacts c left join contacts p on p.workspace_id = c.workspace_id and p.id = c.merged_into
    where c.id = any(${ids}::uuid[])`.execute(trx)
  return rows
}

/** Those of these posts on which a surge goes on. */
export async function listSurging(trx: Trx, ids: string[], now: Date): Promise<string[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<{ id: string }>`
    select id from posts where id = any(${ids}::uuid[]) and surging_until > ${now}`.execute(trx)
  return rows.map(({ id }) => id)
}

/**
 * Open conversations on a post, in these inboxes or in all: those first in which somebody has waited longest, then those
 * in which nobody waits, the newest first.
 */
export async function listLongestWaiting(
  trx: Trx,
  post_id: string,
  inbox_ids: string[] | null,
  limit: number,
): Promise<Pick<Conversation, 'id' | 'waiting_since'>[]> {
  const open = sql`post_id = ${post_id} and status = 'open' and merged_into_id is null
    ${inbox_ids ? sql`and inbox_id = any(${inbox_ids}::uuid[])` : sql``}`
  // Those in which nobody waits are looked for only where others leave room: else all that wait would be passed by.
  const { rows } = await sql<Pick<Conversation, 'id' | 'waiting_since'>>`
    with waiting as materialized (
      select id, waiting_since from conversations where ${open} and waiting_since is not null
      order by waiting_since, id limit ${limit})
    select * from waiting union all (
      select id, waiting_since from conversations where ${open} and waiting_since is null
      order by last_message_at desc, id desc limit ${limit} - (select count(*) from waiting))`.execute(trx)
  return rows
}

/** What rules did in these conversations since then, and in these transactions, whenever that was. */
export async function listApplied(
  trx: Trx,
  conversation_ids: string[],
  since: Date,
  xacts: string[],
): Promise<Pick<EventRow, 'conversation_id' | 'xact' | 'at' | 'data'>[]> {
  const { rows } = await sql<Pick<EventRow, 'conversation_id' | 'xact' | 'at' | 'data'>>`
    select conversation_id, xact, at, data from events
    where conversation_id = any(${conversation_ids}::uuid[]) and type = 'rule.applied'
      and (at > ${since} or xact = any(${xacts}::xid8[]))`.execute(trx)
  return rows
}

/** Events of conversations and posts, of these types, from the youngest back, before that place where one is given. */
export async function listEventsBack(
  trx: Trx,
  types: string[],
  page: { before?: Pick<EventRow, 'xact' | 'seq'> | undefined; since?: Date | undefined; limit: number },
): Promise<EventRow[]> {
  const { before, since, limit } = page
  const { rows } = await sql<EventRow>`
    select * from events where type = any(${types}::text[]) and (conversation_id is not null or type = 'post.surging')
      ${before ? sql`and (xact, seq) < (${before.xact}::xid8, ${before.seq}::bigint)` : sql``}
      ${since ? sql`and at >= ${since}` : sql``}
    order by xact desc, seq desc limit ${limit}`.execute(trx)
  return rows
}
