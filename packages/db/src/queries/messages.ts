import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { Trx } from '../database.ts'
import type { Messages } from '../tables.generated.ts'
import { AWAITS_ANSWER } from './dispositions.ts'

/** More than anybody edits a comment. */
const MAX_VERSIONS = 1_000

export type Message = Selectable<Messages>
/** A place in a thread: two messages of one moment stand in the order of their network ids. */
export type MessagePosition = Pick<Message, 'occurred_at' | 'thread_position'>

export async function insertMessage(trx: Trx, row: Insertable<Messages>): Promise<Message> {
  return trx.insertInto('messages').values(row).returningAll().executeTakeFirstOrThrow()
}

export async function findMessage(trx: Trx, id: string): Promise<Message | undefined> {
  return trx.selectFrom('messages').selectAll().where('id', '=', id).executeTakeFirst()
}

export async function listMessagesByIds(trx: Trx, ids: string[]): Promise<Message[]> {
  if (ids.length === 0) return []
  return trx.selectFrom('messages').selectAll().where('id', 'in', ids).orderBy('id').execute()
}

/** Locks one message until the transaction ends. */
export async function lockMessage(trx: Trx, id: string): Promise<Message | undefined> {
  return trx.selectFrom('messages').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

export async function updateMessage(trx: Trx, id: string, change: Updateable<Messages>): Promise<Message> {
  return trx.updateTable('messages').set(change).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
}

/** A conversation's messages and notes, oldest first. */
export async function listMessages(
  trx: Trx,
  conversation_id: string,
  page: { limit: number; after?: MessagePosition | undefined },
): Promise<Message[]> {
  let query = trx.selectFrom('messages').selectAll().where('conversation_id', '=', conversation_id)
  if (page.after) {
    const { occurred_at, thread_position } = page.after
    query = query.where(eb =>
      eb(eb.refTuple('occurred_at', 'thread_position'), '>', eb.tuple(occurred_at, thread_position)),
    )
  }
  return query.orderBy('occurred_at').orderBy('thread_position').limit(page.limit).execute()
}

/**
 * What was said in the conversation after `position`, by customers and by us, oldest first. Left out: what was deleted,
 * what was never said, and notes.
 */
export async function listMessagesAfter(
  trx: Trx,
  conversation_id: string,
  position: MessagePosition,
): Promise<Message[]> {
  return trx
    .selectFrom('messages')
    .selectAll()
    .where('conversation_id', '=', conversation_id)
    .where('direction', '<>', 'internal')
    .where('state', 'not in', ['rejected', 'cancelled'])
    .where('deleted_at', 'is', null)
    .where(eb =>
      eb(eb.refTuple('occurred_at', 'thread_position'), '>', eb.tuple(position.occurred_at, position.thread_position)),
    )
    .orderBy('occurred_at')
    .orderBy('thread_position')
    .limit(100)
    .execute()
}

/** The time of the last message in the thread's order, notes included; null while there is none. */
export async function findLatestOccurredAt(trx: Trx, conversation_id: string): Promise<Date | null> {
  const row = await trx
    .selectFrom('messages')
    .select('occurred_at')
    .where('conversation_id', '=', conversation_id)
    .orderBy('occurred_at', 'desc')
    .orderBy('thread_position', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.occurred_at ?? null
}

/**
 * The customer's oldest message that waits for an answer, in the order in which waits begin: nobody waits on a channel
 * that was not connected yet.
 */
export async function findOldestAwaiting(
  trx: Trx,
  customer: { conversation_id: string; contact_id: string },
  connected_at: Date,
): Promise<Message | undefined> {
  const { rows } = await sql<Message>`
    select * from messages m
    where conversation_id = ${customer.conversation_id} and contact_id = ${customer.contact_id} and ${AWAITS_ANSWER}
    order by greatest(occurred_at, least(received_at, ${connected_at}::timestamptz)), occurred_at, external_id
    limit 1`.execute(trx)
  return rows[0]
}

/** Whoever wrote in a conversation as a customer. */
export async function listSpeakers(trx: Trx, conversation_id: string): Promise<string[]> {
  const { rows } = await sql<{ contact_id: string }>`
    select distinct contact_id from messages
    where conversation_id = ${conversation_id} and direction = 'inbound' and contact_id is not null
    order by contact_id`.execute(trx)
  return rows.map(row => row.contact_id)
}

/** The customer's last message of a conversation that is still visible; one that a program wrote only where nobody else did. */
export async function findLatestCustomerMessage(trx: Trx, conversation_id: string): Promise<Message | undefined> {
  return trx
    .selectFrom('messages')
    .selectAll()
    .where('conversation_id', '=', conversation_id)
    .where('direction', '=', 'inbound')
    .where('deleted_at', 'is', null)
    .orderBy('automatic')
    .orderBy('occurred_at', 'desc')
    .orderBy('thread_position', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** The message that has this network id in the channel, locked. */
export async function lockMessageByExternalId(
  trx: Trx,
  channel_id: string,
  external_id: string,
): Promise<Message | undefined> {
  return trx
    .selectFrom('messages')
    .selectAll()
    .where('channel_id', '=', channel_id)
    .where('external_id', '=', external_id)
    .forUpdate()
    .executeTakeFirst()
}

/**
 * What was answered in the network's own app in these conversations while somebody waited who still does, oldest first.
 */
export async function listNativeAnswers(trx: Trx, conversation_ids: string[]): Promise<Message[]> {
  const { rows } = await sql<Message>`
    select * from messages m
    where m.conversation_id = any(${conversation_ids}::uuid[]) and m.author_type = 'native' and m.deleted_at is null
      and exists (select from waits w
        where w.conversation_id = m.conversation_id and w.closed_at is null and w.opened_at <= m.occurred_at)
    order by m.occurred_at, m.thread_position`.execute(trx)
  return rows
}

/** Of these answers, which have just come, those behind a later one that has answered somebody already, oldest first. */
export async function listOvertaken(trx: Trx, ids: string[]): Promise<Message[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<Message>`
    with fresh as materialized (select * from messages where id = any(${ids}::uuid[])),
    latest as materialized (
      select m.conversation_id, max(m.answered_at) as answered_at from messages m
      where m.conversation_id in (select conversation_id from fresh) and m.answered_by_id <> all(${ids}::uuid[])
      group by m.conversation_id)
    select fresh.* from fresh join latest using (conversation_id)
    where fresh.occurred_at <= latest.answered_at
    order by fresh.occurred_at, fresh.thread_position`.execute(trx)
  return rows
}

/** The one person who has written in a conversation, as whomever; undefined when there are several, or none. */
export async function findOnlyCustomer(trx: Trx, conversation_id: string): Promise<string | undefined> {
  const { rows } = await sql<{ contact_id: string }>`
    select distinct coalesce(c.merged_into, c.id) as contact_id
    from (select distinct contact_id from messages
      where conversation_id = ${conversation_id} and direction = 'inbound') m,
      lateral (select id, merged_into from contacts where id = m.contact_id limit 1) c
    limit 2`.execute(trx)
  return rows.length === 1 ? rows[0]!.contact_id : undefined
}

/** True when a person has answered whoever wrote `message`, as any of `contact_ids`, after it could be read. */
export async function hasAnswerSince(trx: Trx, message: Message, contact_ids: string[]): Promise<boolean> {
  const { conversation_id, processed_at, occurred_at } = message
  const { rows } = await sql`
    select from messages m
    where m.conversation_id = ${conversation_id} and m.direction = 'outbound' and m.state = 'sent'
      and (m.contact_id = any(${contact_ids}::uuid[]) or (m.contact_id is null and m.author_type = 'native'))
      and ((m.author_type = 'native' and m.occurred_at >= ${occurred_at})
        or (m.author_type = 'user' and m.received_at >= ${processed_at}))
    limit 1`.execute(trx)
  return rows.length > 0
}

/**
 * Lets a reply take the place of the message that its own echo was taken for: waits that the echo had ended were ended
 * by the reply.
 */
export async function absorbEcho(trx: Trx, echo: Message, reply_id: string): Promise<void> {
  await sql`update waits set closed_by_message_id = ${reply_id}
    where conversation_id = ${echo.conversation_id} and closed_by_message_id = ${echo.id}`.execute(trx)
  await sql`update sla_clocks set fulfilled_by_message_id = ${reply_id}
    where conversation_id = ${echo.conversation_id} and fulfilled_by_message_id = ${echo.id}`.execute(trx)
  await sql`update messages set in_reply_to = ${reply_id}
    where conversation_id = ${echo.conversation_id} and in_reply_to = ${echo.id}`.execute(trx)
  await sql`update messages set answered_by_id = ${reply_id}
    where conversation_id = ${echo.conversation_id} and answered_by_id = ${echo.id}`.execute(trx)
  await sql`delete from message_versions where message_id = ${echo.id}`.execute(trx)
  await sql`delete from messages where id = ${echo.id}`.execute(trx)
}

/** A message in all its versions, oldest first: those that were kept when they were replaced, and the present one. */
export async function listVersions(trx: Trx, message: Message) {
  const kept = await trx
    .selectFrom('message_versions')
    .select(['version_at', 'received_at', 'body', 'body_html', 'body_marks'])
    .where('message_id', '=', message.id)
    .orderBy('version_at')
    .orderBy('digest')
    .limit(MAX_VERSIONS)
    .execute()
  const { version_at, received_at, body, body_html, body_marks } = message
  return [...kept, { version_at, received_at, body, body_html, body_marks }]
}
