import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { Messages } from '../tables.generated.ts'

export type Message = Selectable<Messages>
export type MessagePosition = { occurred_at: Date; id: string }

export async function insertMessage(trx: Trx, row: Insertable<Messages>): Promise<Message> {
  return trx.insertInto('messages').values(row).returningAll().executeTakeFirstOrThrow()
}

export async function findMessage(trx: Trx, id: string): Promise<Message | undefined> {
  return trx.selectFrom('messages').selectAll().where('id', '=', id).executeTakeFirst()
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
    const { occurred_at, id } = page.after
    query = query.where(eb => eb(eb.refTuple('occurred_at', 'id'), '>', eb.tuple(occurred_at, id)))
  }
  return query.orderBy('occurred_at').orderBy('id').limit(page.limit).execute()
}

/** What customers wrote in the conversation after `position`, oldest first, deleted messages left out. */
export async function listCustomerMessagesAfter(
  trx: Trx,
  conversation_id: string,
  position: MessagePosition,
): Promise<Message[]> {
  return trx
    .selectFrom('messages')
    .selectAll()
    .where('conversation_id', '=', conversation_id)
    .where('direction', '=', 'inbound')
    .where('deleted_at', 'is', null)
    .where(eb => eb(eb.refTuple('occurred_at', 'id'), '>', eb.tuple(position.occurred_at, position.id)))
    .orderBy('occurred_at')
    .orderBy('id')
    .limit(100)
    .execute()
}

/**
 * The customer's oldest visible message that reached us after `answered_up_to` (null: nothing was answered), in the
 * order in which waits begin: nobody waits on a channel that was not connected yet.
 */
export async function findOldestUnanswered(
  trx: Trx,
  customer: { conversation_id: string; contact_id: string },
  answered_up_to: Date | null,
  connected_at: Date,
): Promise<Message | undefined> {
  const { rows } = await sql<Message>`
    select * from messages
    where conversation_id = ${customer.conversation_id} and contact_id = ${customer.contact_id}
      and direction = 'inbound' and deleted_at is null
      and processed_at > coalesce(${answered_up_to}::timestamptz, '-infinity')
    order by greatest(occurred_at, least(received_at, ${connected_at}::timestamptz)), occurred_at, external_id
    limit 1`.execute(trx)
  return rows[0]
}

/** The customer's last message of a conversation that is still visible. */
export async function findLatestCustomerMessage(trx: Trx, conversation_id: string): Promise<Message | undefined> {
  return trx
    .selectFrom('messages')
    .selectAll()
    .where('conversation_id', '=', conversation_id)
    .where('direction', '=', 'inbound')
    .where('deleted_at', 'is', null)
    .orderBy('occurred_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Which of these network ids are stored already, and in which conversation. */
export async function findMessagesByExternalId(
  trx: Trx,
  channel_id: string,
  external_ids: string[],
): Promise<Map<string, { conversation_id: string }>> {
  const { rows } = await sql<{ external_id: string; conversation_id: string }>`
    select external_id, conversation_id from messages
    where channel_id = ${channel_id} and external_id = any(${external_ids}::text[])`.execute(trx)
  return new Map(rows.map(row => [row.external_id, row]))
}

export type UpsertedMessage = { id: string; external_id: string; change: 'inserted' | 'updated' }

/** Of two versions of the same moment the greater text counts: any rule will do that no order of arrival can change. */
const newerIn = (table: 'messages' | 'excluded') =>
  sql`(${sql.table(table)}.version_at, ${sql.table(table)}.body collate "C")`

/**
 * Stores inbound messages, one row per network id; `rows` holds each id once. A message that is there already takes
 * the new text only when its version is newer and it came from outside; those left alone are not returned. A deleted
 * message takes it too, and stays deleted.
 */
export async function upsertInboundMessages(trx: Trx, rows: Insertable<Messages>[]): Promise<UpsertedMessage[]> {
  if (rows.length === 0) return []
  const columns = sql.join(Object.keys(rows[0]!).map(column => sql.ref(column)))
  const { rows: upserted } = await sql<{ id: string; external_id: string; inserted: boolean }>`
    insert into messages (${columns}) select ${columns} from ${rowsOf('messages', rows)}
    on conflict (workspace_id, channel_id, external_id) do update
      set body = excluded.body, version_at = excluded.version_at, edited_at = excluded.version_at,
        reply_context = excluded.reply_context, kind = excluded.kind, visibility = excluded.visibility,
        parent_external_id = excluded.parent_external_id, permalink = excluded.permalink
      where messages.direction = 'inbound' and ${newerIn('messages')} < ${newerIn('excluded')}
    returning id, external_id, (xmax = 0) as inserted`.execute(trx)
  return upserted.map(row => ({
    id: row.id,
    external_id: row.external_id,
    change: row.inserted ? 'inserted' : 'updated',
  }))
}

/**
 * Versions that are not newer than the stored ones can still tell that a message was edited: they differ from it, or
 * came with others. Returns those newly marked.
 */
export async function markEdited(trx: Trx, known: Insertable<Messages>[]): Promise<UpsertedMessage[]> {
  if (known.length === 0) return []
  const { rows } = await sql<{ id: string; external_id: string }>`
    update messages set edited_at = messages.version_at
    from ${rowsOf('messages', known)} excluded
    where messages.channel_id = excluded.channel_id and messages.external_id = excluded.external_id
      and messages.direction = 'inbound' and messages.edited_at is null
      and (excluded.edited_at is not null or ${newerIn('messages')} > ${newerIn('excluded')})
    returning messages.id, messages.external_id`.execute(trx)
  return rows.map(row => ({ ...row, change: 'updated' }))
}

export type Deletion = { channel_id: string; external_id: string; version_at: Date }

/** Keeps deletions, one per network id, also of messages that are not here yet: they meet them when they come. */
export async function insertTombstones(trx: Trx, deletions: Deletion[]): Promise<void> {
  if (deletions.length === 0) return
  await sql`
    insert into message_tombstones (channel_id, external_id, version_at)
    select channel_id, external_id, version_at from ${rowsOf('message_tombstones', deletions)}
    on conflict (workspace_id, channel_id, external_id) do update set version_at = excluded.version_at
      where excluded.version_at < message_tombstones.version_at`.execute(trx)
}

/** Marks messages as deleted on their network, at the earliest time it named. Returns those that were visible. */
export async function deleteInboundMessages(trx: Trx, deletions: Deletion[]): Promise<Message[]> {
  if (deletions.length === 0) return []
  const { rows } = await sql<Message & { was_visible: boolean }>`
    with doomed as (
      select m.id, m.deleted_at, d.version_at
      from ${rowsOf('message_tombstones', deletions)} d
      join messages m on m.channel_id = d.channel_id and m.external_id = d.external_id
      where m.direction = 'inbound' and (m.deleted_at is null or m.deleted_at > d.version_at)
      for update of m)
    update messages m set deleted_at = doomed.version_at
    from doomed where m.id = doomed.id
    returning m.*, doomed.deleted_at is null as was_visible`.execute(trx)
  return rows.filter(row => row.was_visible)
}

/** Which of these messages were deleted on their network before they reached us, and when. */
export async function findTombstones(trx: Trx, channel_id: string, external_ids: string[]): Promise<Map<string, Date>> {
  const { rows } = await sql<{ external_id: string; version_at: Date }>`
    select external_id, version_at from message_tombstones
    where channel_id = ${channel_id} and external_id = any(${external_ids}::text[])`.execute(trx)
  return new Map(rows.map(row => [row.external_id, row.version_at]))
}

/** Replies of a channel that wait for their integration to fetch them, oldest first. */
export async function listQueuedReplies(
  trx: Trx,
  channel_id: string,
  page: { limit: number; after?: MessagePosition | undefined },
) {
  let query = trx
    .selectFrom('messages as m')
    .innerJoin('conversations as c', join =>
      join.onRef('c.workspace_id', '=', 'm.workspace_id').onRef('c.id', '=', 'm.conversation_id'),
    )
    .leftJoin('messages as parent', join =>
      join.onRef('parent.workspace_id', '=', 'm.workspace_id').onRef('parent.id', '=', 'm.in_reply_to'),
    )
    .select(['m.id', 'm.conversation_id', 'm.body', 'm.visibility', 'm.occurred_at', 'c.thread_key'])
    .select(['parent.external_id as parent_external_id', 'parent.reply_context as parent_reply_context'])
    .where('m.channel_id', '=', channel_id)
    .where('m.state', '=', 'queued')
  if (page.after) {
    const { occurred_at, id } = page.after
    query = query.where(eb => eb(eb.refTuple('m.occurred_at', 'm.id'), '>', eb.tuple(occurred_at, id)))
  }
  return query.orderBy('m.occurred_at').orderBy('m.id').limit(page.limit).execute()
}

/** True while an earlier reply of the same conversation is still on its way: what was said first arrives first. */
export async function hasEarlierUnsent(trx: Trx, message: Message): Promise<boolean> {
  const row = await trx
    .selectFrom('messages')
    .select('id')
    .where('conversation_id', '=', message.conversation_id)
    .where('state', 'in', ['queued', 'sending'])
    .where(eb => eb(eb.refTuple('occurred_at', 'id'), '<', eb.tuple(message.occurred_at, message.id)))
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Replies of all workspaces that a worker should look at by now, longest overdue first. */
export async function listRepliesToAttempt(
  trx: SystemTrx,
  now: Date,
  limit: number,
): Promise<{ workspace_id: string; message_id: string }[]> {
  return trx
    .selectFrom('messages')
    .select(['workspace_id', 'id as message_id'])
    .where('next_attempt_at', '<=', now)
    .orderBy('next_attempt_at')
    .limit(limit)
    .execute()
}

/** The conversation's next reply that may go out now that an earlier one is done. */
export async function findNextQueued(trx: Trx, conversation_id: string): Promise<string | undefined> {
  const row = await trx
    .selectFrom('messages')
    .select('id')
    .where('conversation_id', '=', conversation_id)
    .where('state', '=', 'queued')
    .where('next_attempt_at', 'is not', null)
    .orderBy('occurred_at')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row?.id
}
