import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Message } from './messages.ts'
import { AT_THE_TOP, topLevelSince } from './top-level-answers.ts'

/** A customer's message whose disposition was looked at, and what it was before. */
export type JudgedMessage = Pick<Message, 'id' | 'conversation_id' | 'contact_id' | 'disposition'> & {
  was_disposition: Message['disposition']
}

export type GivenAnswer = Pick<
  Message,
  'id' | 'conversation_id' | 'in_reply_to' | 'author_type' | 'occurred_at' | 'received_at' | 'thread_position'
>

/** Whoever wrote the message `m` waits for an answer to it: the rule of awaitsAnswer in the domain. */
export const AWAITS_ANSWER = sql<boolean>`(m.disposition in ('unhandled', 'acknowledged')
  and m.deleted_at is null and not m.from_history and not m.automatic and m.dismissed_at is null)`

/** Nobody has to answer it as things stand, so only an answer that names it is one to it. */
const SET_ASIDE = sql`(m.dismissed_at is not null or m.hidden_at is not null or m.spam_at is not null
  or m.deleted_at is not null or m.automatic or m.from_history)`

/** When a customer began to wait on a message: the time of the network, but not before the channel was connected. */
export const saidAt = (connected_at: RawBuilder<unknown>) =>
  sql`greatest(m.occurred_at, least(m.received_at, ${connected_at}))`

/**
 * Marks what a person's answer answers, now that the network has taken it: what these people had written in the
 * conversation when it was written, and no earlier answer has answered. Whoever answers in the network's own app sees what
 * stands there, whenever it reaches us. Twice is the same as once. Locks the messages.
 */
export async function markAnswered(
  trx: Trx,
  answer: GivenAnswer,
  contact_ids: string[],
  connected_at: Date,
): Promise<JudgedMessage[]> {
  const { id, conversation_id, in_reply_to, author_type, occurred_at, received_at, thread_position } = answer
  const readable =
    author_type === 'native'
      ? sql`${saidAt(sql`${connected_at}::timestamptz`)} <= ${occurred_at}`
      : sql`m.processed_at <= ${received_at}`
  const named = author_type === 'native' ? null : in_reply_to
  const { rows } = await sql<JudgedMessage>`
    update messages answered set answered_by_id = ${id}, answered_at = ${occurred_at}
    from (
      select m.id, m.disposition from messages m
      where m.conversation_id = ${conversation_id} and m.contact_id = any(${contact_ids}::uuid[])
        and m.direction = 'inbound' and ${readable} and (m.id = ${named}::uuid or not ${SET_ASIDE})
        and (m.answered_at is null or m.answered_at > ${occurred_at} or (m.answered_at = ${occurred_at} and exists (
          select from messages a where a.id = m.answered_by_id and a.thread_position > ${thread_position})))
      order by m.id for update) m
    where answered.id = m.id
    returning answered.id, answered.conversation_id, answered.contact_id, answered.disposition, m.disposition as was_disposition`.execute(
    trx,
  )
  return rows
}

const TOP_LEVEL_SINCE = topLevelSince(sql`asked.conversation_id`, sql`asked.contact_id`, sql`asked.said_at`)

/**
 * Finds anew by which answer each of these messages is answered, if by any: the one that had answered it came back, or it
 * needs an answer again. Locks the messages.
 */
export async function settleAnswers(
  trx: Trx,
  conversation_id: string,
  message_ids: string[],
): Promise<JudgedMessage[]> {
  const { rows } = await sql<JudgedMessage>`
    with asked as materialized (
      select m.id, m.disposition, m.answered_by_id, m.processed_at, ${SET_ASIDE} as set_aside,
        ${saidAt(sql`(select c.connected_at from channels c where c.id = m.channel_id)`)} as said_at,
        (select coalesce(c.merged_into, c.id) from contacts c where c.id = m.contact_id) as person,
        m.conversation_id, m.contact_id
      from messages m
      where m.conversation_id = ${conversation_id} and m.direction = 'inbound'
        and m.id = any(${message_ids}::uuid[])
      order by m.id for update),
    answers as materialized (
      select a.id, a.author_type, a.in_reply_to, a.occurred_at, a.received_at, a.thread_position,
        (select coalesce(c.merged_into, c.id) from contacts c where c.id = a.contact_id) as person,
        a.contact_id is null and a.parent_external_id is null and (
          select count(distinct o.contact_id) = 1 from messages o
          where o.conversation_id = a.conversation_id and o.direction = 'inbound') as to_everybody,
        ${AT_THE_TOP} as at_the_top
      from messages a
      where a.conversation_id = ${conversation_id} and a.direction = 'outbound' and a.state = 'sent'
        and a.author_type in ('user', 'native')),
    settled as (
      select asked.id, asked.disposition, first.id as answer_id, first.occurred_at
      from asked left join lateral (
        select a.id, a.occurred_at from answers a
        where (a.person = asked.person or a.to_everybody or (a.at_the_top and a.occurred_at >= ${TOP_LEVEL_SINCE}))
          and case a.author_type when 'native' then a.occurred_at >= asked.said_at and not asked.set_aside
            else a.received_at >= asked.processed_at and (a.in_reply_to = asked.id or not asked.set_aside) end
        order by a.occurred_at, a.thread_position limit 1) first on true
      where asked.answered_by_id is distinct from first.id)
    update messages m set answered_by_id = settled.answer_id, answered_at = settled.occurred_at
    from settled where m.id = settled.id
    returning m.id, m.conversation_id, m.contact_id, m.disposition, settled.disposition as was_disposition`.execute(trx)
  return rows
}

/** The messages that an answer has answered, by the conversation in which they stand now. */
export async function listAnsweredBy(
  trx: Trx,
  answer_id: string,
): Promise<{ conversation_id: string; ids: string[] }[]> {
  const { rows } = await sql<{ conversation_id: string; ids: string[] }>`
    select conversation_id, array_agg(id order by id) as ids from messages
    where answered_by_id = ${answer_id} group by conversation_id order by conversation_id`.execute(trx)
  return rows
}

/** Of these messages, which only a backfill had brought and which now come by themselves, those that wait for an answer since. */
export async function listComeAlive(trx: Trx, message_ids: string[]): Promise<JudgedMessage[]> {
  if (message_ids.length === 0) return []
  const rows = await trx
    .selectFrom('messages')
    .select(['id', 'conversation_id', 'contact_id', 'disposition'])
    .where('id', 'in', message_ids)
    .where('disposition', '=', 'unhandled')
    .orderBy('id')
    .execute()
  return rows.map(row => ({ ...row, was_disposition: 'no_reply_needed' }))
}

/**
 * Takes what customers wrote in a conversation for spam, since then; null: it was none after all.
 * @returns what that changes
 */
export async function markSpam(trx: Trx, conversation_id: string, spam_at: Date | null): Promise<JudgedMessage[]> {
  const { rows } = await sql<JudgedMessage>`
    update messages judged set spam_at = ${spam_at}
    from (
      select id, disposition from messages
      where conversation_id = ${conversation_id} and direction = 'inbound'
        and (spam_at is null) <> (${spam_at}::timestamptz is null)
      order by id for update) m
    where judged.id = m.id
    returning judged.id, judged.conversation_id, judged.contact_id, judged.disposition, m.disposition as was_disposition`.execute(
    trx,
  )
  return rows
}
