import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Message } from './messages.ts'

export type AroundMessage = {
  /** What it answers, the first of it first. */
  ancestors: Message[]
  before: Message[]
  after: Message[]
  replies: Message[]
}

/** So far up; and so many beside it and below. */
const MAX_ANCESTORS = 50
const MAX_AROUND = 20
/** So many messages of its conversation are looked at for those, in either direction. */
const MAX_LOOKED_AT = 1_000

const SAID = sql`m.direction <> 'internal' and m.state not in ('rejected', 'cancelled')`

/**
 * What a message answers, what answers it, and what was said beside it, which is to the same message: two statements,
 * however large the conversation is. Ancestors that lie in another conversation are told where its inbox is among these.
 */
export async function listAround(trx: Trx, message: Message, inbox_ids: string[] | null): Promise<AroundMessage> {
  const [ancestors, around] = await Promise.all([listAncestors(trx, message, inbox_ids), listBeside(trx, message)])
  const of = (place: string) => around.filter(row => row.place === place)
  return { ancestors, before: of('before').reverse(), after: of('after'), replies: of('reply') }
}

async function listAncestors(trx: Trx, message: Message, inbox_ids: string[] | null): Promise<Message[]> {
  if (!message.in_reply_to) return []
  const seen = inbox_ids
    ? sql`and exists (select from conversations c where c.id = m.conversation_id and c.inbox_id = any(${inbox_ids}::uuid[]))`
    : sql``
  // Senders name parents as they like, so a chain may run in circles.
  const { rows } = await sql<Message>`
    with recursive chain as (
      select ${message.in_reply_to}::uuid as id, array[${message.id}::uuid] as below
      union all
      select m.in_reply_to, c.below || c.id from chain c,
        lateral (select in_reply_to from messages where id = c.id limit 1) m
      where m.in_reply_to is not null and m.in_reply_to <> all (c.below || c.id)
        and cardinality(c.below) < ${MAX_ANCESTORS})
    select m.* from chain c, lateral (select * from messages where id = c.id limit 1) m
    where ${SAID} ${seen} order by cardinality(c.below) desc`.execute(trx)
  return rows
}

async function listBeside(trx: Trx, { id, conversation_id, in_reply_to, occurred_at, thread_position }: Message) {
  const beside = in_reply_to ? sql`m.in_reply_to = ${in_reply_to}` : sql`m.in_reply_to is null`
  const place = sql`(${occurred_at}, ${thread_position})`
  const near = (earlier: boolean, which: RawBuilder<unknown>, name: string) => {
    const order = earlier ? sql`occurred_at desc, thread_position desc` : sql`occurred_at, thread_position`
    return sql`(select m.*, ${name}::text as place from (
        select * from messages
        where conversation_id = ${conversation_id} and (occurred_at, thread_position) ${earlier ? sql`<` : sql`>`} ${place}
        order by ${order} limit ${MAX_LOOKED_AT}) m
      where ${SAID} and ${which} order by ${order} limit ${MAX_AROUND})`
  }
  const { rows } = await sql<Message & { place: string }>`
    ${near(true, beside, 'before')} union all ${near(false, beside, 'after')}
    union all ${near(false, sql`m.in_reply_to = ${id}`, 'reply')}`.execute(trx)
  return rows
}
