import type { Trx } from '@parley/db'

export type StoredMessage = {
  id: string
  external_id: string
  conversation_id: string
  thread_key: string
  body: string
  deleted_at: Date | null
  occurred_at: Date
}

/** What the database holds of one channel. */
export async function readStored(trx: Trx, channel_id: string) {
  const messages = await trx
    .selectFrom('messages as m')
    .innerJoin('conversations as c', 'c.id', 'm.conversation_id')
    .select(['m.id', 'm.external_id', 'm.conversation_id', 'c.thread_key', 'm.body', 'm.deleted_at', 'm.occurred_at'])
    .where('m.channel_id', '=', channel_id)
    .where('m.direction', '=', 'inbound')
    .orderBy('m.conversation_id')
    .orderBy('m.occurred_at')
    .orderBy('m.thread_position')
    .execute()
  const conversations = await trx
    .selectFrom('conversations')
    .select(['id', 'thread_key'])
    .where('channel_id', '=', channel_id)
    .execute()
  const ledger = await trx
    .selectFrom('inbound_events')
    .select(['dedup_key', 'state', 'error'])
    .where('channel_id', '=', channel_id)
    .execute()
  const log = await trx
    .selectFrom('events')
    .select(['type', 'conversation_id', 'data'])
    .where('type', 'in', ['message.received', 'conversation.created'])
    .execute()
  return { messages: messages as StoredMessage[], conversations, ledger, log }
}
export type Stored = Awaited<ReturnType<typeof readStored>>
