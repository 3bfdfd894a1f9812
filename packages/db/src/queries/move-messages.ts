import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Message } from './messages.ts'

/** Moves all messages and notes of a conversation into another one. They remember with whose thread they came. */
export async function moveAllMessages(trx: Trx, from_id: string, into_id: string): Promise<number> {
  const { numAffectedRows } = await sql`
    update messages set conversation_id = ${into_id},
      thread_conversation_id = case when thread_conversation_id is null then ${from_id} else thread_conversation_id end
    where conversation_id = ${from_id}`.execute(trx)
  await sql`update message_actions set conversation_id = ${into_id} where conversation_id = ${from_id}`.execute(trx)
  return Number(numAffectedRows ?? 0n)
}

/** Moves these messages into another conversation of the same thread. */
export async function moveMessages(trx: Trx, ids: string[], into_id: string): Promise<void> {
  await sql`update messages set conversation_id = ${into_id} where id = any(${ids}::uuid[])`.execute(trx)
  await sql`update message_actions set conversation_id = ${into_id} where message_id = any(${ids}::uuid[])`.execute(trx)
  await sql`update note_mentions set conversation_id = ${into_id} where message_id = any(${ids}::uuid[])`.execute(trx)
}

/** What people do together about a conversation goes with it: whom its notes mention, its tasks, who watches it and is told. */
export async function moveTeamwork(trx: Trx, from_id: string, into_id: string): Promise<void> {
  for (const table of ['note_mentions', 'tasks', 'notifications', 'expert_links'])
    await sql`update ${sql.table(table)} set conversation_id = ${into_id} where conversation_id = ${from_id}`.execute(
      trx,
    )
  await sql`
    insert into conversation_watchers (conversation_id, user_id, reason, watched_at)
    select ${into_id}::uuid, user_id, reason, watched_at from conversation_watchers where conversation_id = ${from_id}
    on conflict (workspace_id, conversation_id, user_id) do nothing`.execute(trx)
  await sql`delete from conversation_watchers where conversation_id = ${from_id}`.execute(trx)
}

/** Of these messages those that stand in the conversation, with all that answers them there if `with_replies`. */
export async function listToMove(
  trx: Trx,
  conversation_id: string,
  ids: string[],
  with_replies: boolean,
): Promise<Message[]> {
  const { rows } = await sql<Message>`
    with recursive moved (id) as (
      select id from messages where id = any(${ids}::uuid[]) and conversation_id = ${conversation_id}
      union
      select m.id from moved join messages m on m.in_reply_to = moved.id
      where ${with_replies} and m.conversation_id = ${conversation_id})
    select m.* from messages m join moved on moved.id = m.id order by m.occurred_at, m.thread_position`.execute(trx)
  return rows
}

/** What a conversation's row says of its messages: the first of a customer, or else of anybody, and the last. */
export type Extent = {
  contact_id: string | null
  first_message_at: Date
  first_external_id: string | null
  last_message_at: Date
}

/** Undefined where no message is left. */
export async function findExtent(trx: Trx, conversation_id: string): Promise<Extent | undefined> {
  const { rows } = await sql<Extent>`
    select first.*, last.occurred_at as last_message_at from
      (select case when direction = 'inbound' then contact_id end as contact_id, occurred_at as first_message_at,
        case when direction = 'inbound' then external_id end as first_external_id
      from messages where conversation_id = ${conversation_id}
      order by direction = 'inbound' desc, occurred_at, thread_position limit 1) first,
      (select occurred_at from messages where conversation_id = ${conversation_id}
      order by direction = 'internal', occurred_at desc limit 1) last`.execute(trx)
  return rows[0]
}

/** Gives a conversation the participants' addresses, and the tags, of another one as well. */
export async function shareParticipants(trx: Trx, from_id: string, into_id: string): Promise<void> {
  await sql`
    insert into conversation_addresses (conversation_id, address)
    select ${into_id}::uuid, address from conversation_addresses where conversation_id = ${from_id}
    on conflict (workspace_id, conversation_id, address) do nothing`.execute(trx)
}

export async function shareTags(trx: Trx, from_id: string, into_id: string): Promise<void> {
  await sql`
    insert into conversation_tags (conversation_id, tag_id, tagged_by_type, tagged_by_id, tagged_at)
    select ${into_id}::uuid, tag_id, tagged_by_type, tagged_by_id, tagged_at
    from conversation_tags where conversation_id = ${from_id}
    on conflict (workspace_id, conversation_id, tag_id) do nothing`.execute(trx)
}

/** Up to where people have read both: whoever has not read one of them has unread messages now. */
export async function joinReads(trx: Trx, from_id: string, into_id: string): Promise<void> {
  await sql`
    delete from conversation_reads r where r.conversation_id = ${into_id} and not exists (
      select from conversation_reads o where o.conversation_id = ${from_id} and o.user_id = r.user_id)`.execute(trx)
  await sql`
    update conversation_reads r set read_at = o.read_at from conversation_reads o
    where r.conversation_id = ${into_id} and o.conversation_id = ${from_id} and o.user_id = r.user_id
      and o.read_at < r.read_at`.execute(trx)
}

export async function copyReads(trx: Trx, from_id: string, into_id: string): Promise<void> {
  await sql`
    insert into conversation_reads (user_id, conversation_id, read_at)
    select user_id, ${into_id}::uuid, read_at from conversation_reads where conversation_id = ${from_id}`.execute(trx)
}

/** The draft of a conversation goes with it, where the other has none. */
export async function moveDraft(trx: Trx, from_id: string, into_id: string): Promise<void> {
  await sql`
    delete from drafts where conversation_id = ${into_id} and discarded and exists (
      select from drafts d where d.conversation_id = ${from_id} and not d.discarded)`.execute(trx)
  await sql`
    update drafts set conversation_id = ${into_id}, version = version + 1
    where conversation_id = ${from_id} and not discarded`.execute(trx)
}

/** Pointers to a conversation that is merged itself now point to where its messages are. */
export async function redirectMerged(trx: Trx, from_id: string, into_id: string): Promise<void> {
  await sql`update conversations set merged_into_id = ${into_id} where merged_into_id = ${from_id}`.execute(trx)
}

/** The messages of conversations, for who has to look at all of them anew. */
export async function listMessageIds(trx: Trx, conversation_ids: string[]): Promise<string[]> {
  if (conversation_ids.length === 0) return []
  const { rows } = await sql<{ id: string }>`
    select id from messages where conversation_id = any(${conversation_ids}::uuid[])`.execute(trx)
  return rows.map(row => row.id)
}
