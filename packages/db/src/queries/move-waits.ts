import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Wait } from './waits.ts'

/** Locks who waits in a conversation. */
export async function lockOpenWaits(trx: Trx, conversation_id: string): Promise<Wait[]> {
  return trx
    .selectFrom('waits')
    .selectAll()
    .where('conversation_id', '=', conversation_id)
    .where('closed_at', 'is', null)
    .orderBy('id')
    .forUpdate()
    .execute()
}

/**
 * Moves all waits of a conversation, with their clocks and those of its flags, behind those of another one. A customer's open wait is their last,
 * whichever conversation it comes from; nobody may have one in both.
 */
export async function moveAllWaits(trx: Trx, from_id: string, into_id: string): Promise<void> {
  await sql`
    update waits w set conversation_id = ${into_id}, ordinal = w.ordinal + (
      select coalesce(max(o.ordinal), 0) from waits o
      where o.conversation_id = ${into_id} and o.contact_id = w.contact_id)
    where w.conversation_id = ${from_id}`.execute(trx)
  await sql`
    update waits w set ordinal = 1 + (select max(o.ordinal) from waits o
      where o.conversation_id = ${into_id} and o.contact_id = w.contact_id)
    where w.conversation_id = ${into_id} and w.closed_at is null and exists (select from waits o
      where o.conversation_id = ${into_id} and o.contact_id = w.contact_id and o.ordinal > w.ordinal)`.execute(trx)
  await sql`
    update sla_clocks c set conversation_id = ${into_id}, ordinal = w.ordinal
    from waits w where w.id = c.wait_id and w.conversation_id = ${into_id}
      and c.conversation_id in (${from_id}, ${into_id})
      and (c.conversation_id <> ${into_id} or c.ordinal <> w.ordinal)`.execute(trx)
  await sql`update sla_clocks set conversation_id = ${into_id}
    where conversation_id = ${from_id} and message_id is not null and wait_id is null`.execute(trx)
}

/**
 * Moves waits into a conversation that has none, with their clocks: an open or cancelled one with the message that began it,
 * one that was ended with the answer that ended it. A clock of a flag goes with its message. Returns the ids of the clocks.
 */
export async function moveWaitsOf(
  trx: Trx,
  from_id: string,
  into_id: string,
  message_ids: string[],
): Promise<string[]> {
  await sql`
    update waits set conversation_id = ${into_id}
    where conversation_id = ${from_id}
      and case when closed_by_message_id is null then opened_by_message_id else closed_by_message_id end
        = any(${message_ids}::uuid[])`.execute(trx)
  const { rows } = await sql<{ id: string }>`
    update sla_clocks c set conversation_id = ${into_id} from waits w
    where w.id = c.wait_id and w.conversation_id = ${into_id} and c.conversation_id = ${from_id}
    returning c.id`.execute(trx)
  const { rows: flags } = await sql<{ id: string }>`
    update sla_clocks set conversation_id = ${into_id}
    where conversation_id = ${from_id} and message_id = any(${message_ids}::uuid[]) and wait_id is null
    returning id`.execute(trx)
  return [...rows, ...flags].map(row => row.id)
}
