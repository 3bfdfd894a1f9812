import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { EventRow } from './events.ts'

/** What rules ask about the message of an event. `first`: of its customers' messages in the conversation. */
export type MessageFacts = { id: string; body: string; first: boolean }

export async function listMessageFacts(trx: Trx, ids: string[]): Promise<MessageFacts[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<MessageFacts>`
    select m.id, m.body, not exists (
      select from messages o where o.conversation_id = m.conversation_id and o.direction = 'inbound'
        and (o.occurred_at, o.thread_position) < (m.occurred_at, m.thread_position)) as first
    from messages m where m.id = any(${ids}::uuid[])`.execute(trx)
  return rows
}

/** Of these channels, their kinds. */
export async function listChannelKinds(trx: Trx, ids: string[]): Promise<{ id: string; kind: string }[]> {
  const query = trx.selectFrom('channels').select(['id', 'kind'])
  return query.where(eb => eb('id', '=', eb.fn.any(eb.val(ids)))).execute()
}

/** Of these contacts, those who are not to be written to, themselves or as whom they were merged into. */
export async function listUnwanted(trx: Trx, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<{ id: string }>`
    select c.id from contacts c left join contacts p on p.workspace_id = c.workspace_id and p.id = c.merged_into
    where c.id = any(${ids}::uuid[]) and (c.do_not_contact or p.do_not_contact)`.execute(trx)
  return rows.map(({ id }) => id)
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

/** Events of these types from the youngest back, before that place where one is given. */
export async function listEventsBack(
  trx: Trx,
  types: string[],
  page: { before?: Pick<EventRow, 'xact' | 'seq'> | undefined; since?: Date | undefined; limit: number },
): Promise<EventRow[]> {
  const { before, since, limit } = page
  const { rows } = await sql<EventRow>`
    select * from events where type = any(${types}::text[]) and conversation_id is not null
      ${before ? sql`and (xact, seq) < (${before.xact}::xid8, ${before.seq}::bigint)` : sql``}
      ${since ? sql`and at >= ${since}` : sql``}
    order by xact desc, seq desc limit ${limit}`.execute(trx)
  return rows
}
