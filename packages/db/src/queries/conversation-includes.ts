import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Message } from './messages.ts'
import type { SlaClock } from './sla-clocks.ts'

/** The latest thing said in each of these conversations; notes are nothing said. */
export async function listLastMessages(trx: Trx, conversation_ids: string[]): Promise<Message[]> {
  const { rows } = await sql<Message>`
    select m.* from unnest(${conversation_ids}::uuid[]) as c (id) cross join lateral (
      select * from messages
      where conversation_id = c.id and direction <> 'internal' and deleted_at is null
      order by occurred_at desc, id desc limit 1) m`.execute(trx)
  return rows
}

/** What runs for somebody who waits in one of these conversations, by due time. */
export async function listRunningClocks(trx: Trx, conversation_ids: string[]): Promise<SlaClock[]> {
  return trx
    .selectFrom('sla_clocks')
    .selectAll()
    .where('conversation_id', 'in', conversation_ids)
    .where('state', '=', 'running')
    .orderBy('due_at')
    .orderBy('id')
    .execute()
}
