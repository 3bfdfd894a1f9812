import type { WindowedMessage } from '@parley/domain'
import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import { AWAITS_ANSWER, saidAt } from './dispositions.ts'
import type { SlaClock } from './sla-clocks.ts'
import type { Wait } from './waits.ts'

/** Somebody who waits, and what they said that their network takes an answer to only for a while. */
export type WindowedWait = Pick<Wait, 'id' | 'conversation_id' | 'contact_id' | 'ordinal'> & {
  messages: WindowedMessage[]
}

/** Who waits in these conversations on messages with a window, each with these as they were said. */
export async function listWindowedWaits(trx: Trx, conversation_ids: string[]): Promise<WindowedWait[]> {
  const { rows } = await sql<Omit<WindowedWait, 'messages'> & Omit<WindowedMessage, 'id'> & { message_id: string }>`
    select w.id, w.conversation_id, w.contact_id, w.ordinal, m.id as message_id, m.reply_until,
      ${saidAt(sql`(select c.connected_at from channels c where c.id = m.channel_id)`)} as said_at
    from waits w
    join messages m on m.conversation_id = w.conversation_id and m.contact_id = w.contact_id
    where w.conversation_id = any(${conversation_ids}::uuid[]) and w.closed_at is null
      and m.reply_until is not null and ${AWAITS_ANSWER}
    order by said_at, m.occurred_at, m.external_id`.execute(trx)
  const waits = new Map<string, WindowedWait>()
  for (const { id, conversation_id, contact_id, ordinal, message_id, said_at, reply_until } of rows) {
    const wait = waits.get(id) ?? { id, conversation_id, contact_id, ordinal, messages: [] }
    wait.messages.push({ id: message_id, said_at, reply_until })
    waits.set(id, wait)
  }
  return [...waits.values()]
}

/** Locks the windows that are open for somebody in these conversations, or have closed on them, the first to close first. */
export async function lockWindows(trx: Trx, conversation_ids: string[]): Promise<SlaClock[]> {
  return trx
    .selectFrom('sla_clocks')
    .selectAll()
    .where('conversation_id', '=', eb => eb.fn.any(eb.val(conversation_ids)))
    .where('metric', '=', 'network_window')
    .where('state', '=', 'running')
    .orderBy('due_at')
    .orderBy('id')
    .forUpdate()
    .execute()
}
