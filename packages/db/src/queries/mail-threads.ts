import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import { insertRows, rowsOf } from '../rows.ts'

/** The threads of conversations that these tokens were given to and not taken back from. */
export async function findThreadsByReplyToken(
  trx: Trx,
  channel_id: string,
  tokens: string[],
): Promise<Map<string, string>> {
  if (tokens.length === 0) return new Map()
  const { rows } = await sql<{ token: string; thread_key: string }>`
    select wanted.token, found.thread_key from unnest(${tokens}::text[]) as wanted (token), lateral (
      select c.thread_key from reply_tokens t
        join conversations c on c.workspace_id = t.workspace_id and c.id = t.conversation_id
      where t.token = wanted.token and t.revoked_at is null and c.channel_id = ${channel_id} limit 1) found`.execute(
    trx,
  )
  return new Map(rows.map(row => [row.token, row.thread_key]))
}

/** A message as far as telling its thread needs it. `writers`: the network ids of the contact who wrote it. */
export type ThreadedMessage = {
  external_id: string
  thread_key: string
  direction: string
  body: string
  writers: string[]
}

/** Which of these network ids are stored, and in which thread. */
export async function findThreadsOfMessages(
  trx: Trx,
  channel_id: string,
  network: string,
  external_ids: string[],
): Promise<Map<string, ThreadedMessage>> {
  if (external_ids.length === 0) return new Map()
  const { rows } = await sql<ThreadedMessage>`
    select found.* from unnest(${external_ids}::text[]) as wanted (external_id), lateral (
      select m.external_id, m.direction, m.body, c.thread_key, array(
          select i.external_id from contact_identities i
          where m.direction = 'inbound' and i.contact_id = m.contact_id and i.network = ${network}) as writers
      from messages m join conversations c on c.workspace_id = m.workspace_id and c.id = m.conversation_id
      where m.channel_id = ${channel_id} and m.external_id = wanted.external_id limit 1) found`.execute(trx)
  return new Map(rows.map(row => [row.external_id, row]))
}

/** Whom the conversations of these threads are with; threads without a conversation are left out. */
export async function findParticipants(
  trx: Trx,
  channel_id: string,
  thread_keys: string[],
): Promise<Map<string, string[]>> {
  if (thread_keys.length === 0) return new Map()
  const { rows } = await sql<{ thread_key: string; addresses: string[] }>`
    select found.* from unnest(${thread_keys}::text[]) as wanted (thread_key), lateral (
      select c.thread_key, array(
        select a.address from conversation_addresses a where a.conversation_id in (c.id, c.merged_into_id)) as addresses
      from conversations c
      where c.channel_id = ${channel_id} and c.thread_key = wanted.thread_key and c.thread_current limit 1) found`.execute(
    trx,
  )
  return new Map(rows.map(row => [row.thread_key, row.addresses]))
}

export type RecentThread = { address: string; thread_key: string; subject: string; last_message_at: Date }

/** The latest conversations of a channel with each of these addresses, the latest first. */
export async function listRecentThreads(
  trx: Trx,
  channel_id: string,
  addresses: string[],
  since: Date,
): Promise<RecentThread[]> {
  if (addresses.length === 0) return []
  const { rows } = await sql<RecentThread>`
    select wanted.address, found.* from unnest(${addresses}::text[]) as wanted (address), lateral (
      select c.thread_key, c.subject, c.last_message_at from conversation_addresses a
        join conversations c on c.workspace_id = a.workspace_id and c.id = a.conversation_id
      where a.address = wanted.address and c.channel_id = ${channel_id} and c.subject is not null
        and c.last_message_at >= ${since}
      order by c.last_message_at desc limit 20) found
    order by found.last_message_at desc`.execute(trx)
  return rows
}

/** The good tokens of these conversations. */
export async function findReplyTokens(trx: Trx, conversation_ids: string[]): Promise<Map<string, string>> {
  if (conversation_ids.length === 0) return new Map()
  const { rows } = await sql<{ conversation_id: string; token: string }>`
    select found.* from unnest(${conversation_ids}::uuid[]) as wanted (id), lateral (
      select conversation_id, token from reply_tokens
      where conversation_id = wanted.id and revoked_at is null limit 1) found`.execute(trx)
  return new Map(rows.map(row => [row.conversation_id, row.token]))
}

export type NewReplyToken = { token: string; conversation_id: string; created_at: Date }

export async function insertReplyTokens(trx: Trx, tokens: NewReplyToken[]): Promise<void> {
  await insertRows(trx, 'reply_tokens', tokens)
}

/** Adds whom conversations are with; who is known already changes nothing. */
export async function insertConversationAddresses(
  trx: Trx,
  rows: { conversation_id: string; address: string }[],
): Promise<void> {
  if (rows.length === 0) return
  await sql`
    insert into conversation_addresses (conversation_id, address)
    select conversation_id, address from ${rowsOf('conversation_addresses', rows)} as rows
    on conflict (workspace_id, conversation_id, address) do nothing`.execute(trx)
}
