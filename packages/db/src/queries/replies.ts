import { sql } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { Message } from './messages.ts'

/**
 * Replies of a channel that wait for their integration to fetch them, oldest first. Held ones come when their time is; those
 * of an earlier life of the database do not.
 */
export async function listQueuedReplies(
  trx: Trx,
  channel_id: string,
  page: { limit: number; after?: { occurred_at: Date; id: string } | undefined },
  now: Date,
) {
  let query = trx
    .selectFrom('messages as m')
    .innerJoin('conversations as c', join =>
      join.onRef('c.workspace_id', '=', 'm.workspace_id').onRef('c.id', '=', 'm.conversation_id'),
    )
    .leftJoin('messages as parent', join =>
      join.onRef('parent.workspace_id', '=', 'm.workspace_id').onRef('parent.id', '=', 'm.in_reply_to'),
    )
    .leftJoin('conversations as thread', join =>
      join.onRef('thread.workspace_id', '=', 'm.workspace_id').onRef('thread.id', '=', 'm.thread_conversation_id'),
    )
    .select(eb => eb.fn.coalesce('thread.thread_key', 'c.thread_key').as('thread_key'))
    .select(['m.id', 'm.conversation_id', 'm.body', 'm.visibility', 'm.occurred_at', 'm.has_attachments'])
    .select(['parent.external_id as parent_external_id', 'parent.reply_context as parent_reply_context'])
    .where('m.channel_id', '=', channel_id)
    .where('m.state', '=', 'queued')
    .where(eb => eb.or([eb('m.hold_until', 'is', null), eb('m.hold_until', '<=', now)]))
    .where(sql<boolean>`(m.send_epoch is null or m.send_epoch in (
      select epoch from send_epochs where origin = database_origin()))`)
  if (page.after) {
    const { occurred_at, id } = page.after
    query = query.where(eb => eb(eb.refTuple('m.occurred_at', 'm.id'), '>', eb.tuple(occurred_at, id)))
  }
  return query.orderBy('m.occurred_at').orderBy('m.id').limit(page.limit).execute()
}

/** Replies that no worker sends, queued in an earlier life of the database: their integration may have them already. */
export async function doubtOldOutbox(trx: Trx, epoch: number, reason: string): Promise<Message[]> {
  return trx
    .updateTable('messages')
    .set({ state: 'unknown', state_reason: reason })
    .where('state', '=', 'queued')
    .where('next_attempt_at', 'is', null)
    .where('send_epoch', '<>', epoch)
    .returningAll()
    .execute()
}

/**
 * True while an earlier reply of the same conversation is still on its way: what was said first arrives first. One whose
 * outcome only a person can tell holds nothing up.
 */
export async function hasEarlierUnsent(trx: Trx, message: Message): Promise<boolean> {
  const row = await trx
    .selectFrom('messages')
    .select('id')
    .where('conversation_id', '=', message.conversation_id)
    .where('state', 'in', ['queued', 'sending', 'unknown'])
    .where(eb => eb.or([eb('state', '<>', 'unknown'), eb('next_attempt_at', 'is not', null)]))
    .where(eb => eb(eb.refTuple('occurred_at', 'id'), '<', eb.tuple(message.occurred_at, message.id)))
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** The part of a long reply before this one; undefined for the first, and for a reply in one piece. */
export async function findPartBefore(trx: Trx, { part_of, part_number }: Message): Promise<Message | undefined> {
  if (!part_of || part_number === 1) return undefined
  return trx
    .selectFrom('messages')
    .selectAll()
    .where('part_of', '=', part_of)
    .where('part_number', '=', part_number! - 1)
    .executeTakeFirst()
}

/** Locks the parts of a long reply after this one, in their order. */
export async function lockPartsAfter(trx: Trx, { part_of, part_number }: Message): Promise<Message[]> {
  if (!part_of) return []
  return trx
    .selectFrom('messages')
    .selectAll()
    .where('part_of', '=', part_of)
    .where('part_number', '>', part_number!)
    .orderBy('part_number')
    .forUpdate()
    .execute()
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

/** Replies that were handed in and are not known to be sent, by the id chosen for them or by their own. */
export async function listUnconfirmedReplies(
  trx: Trx,
  channel_id: string,
  external_ids: string[],
  ids: string[],
): Promise<Message[]> {
  const { rows } = await sql<Message>`
    select * from messages
    where channel_id = ${channel_id} and direction = 'outbound' and author_type <> 'native'
      and state in ('queued', 'sending', 'unknown', 'rejected')
      and id in (
        select id from messages where channel_id = ${channel_id} and external_id = any(${external_ids}::text[])
        union all select id from unnest(${ids}::uuid[]) as token (id))`.execute(trx)
  return rows
}

/** A reply of ours by its id on the network, or by its own where the network carries one along. */
export async function findBouncedReply(
  trx: Trx,
  channel_id: string,
  known: { external_id: string | null; id: string | null },
): Promise<Message | undefined> {
  const { external_id, id } = known
  if (!external_id && !id) return undefined
  return trx
    .selectFrom('messages')
    .selectAll()
    .where('channel_id', '=', channel_id)
    .where('direction', '=', 'outbound')
    .where(eb =>
      eb.or([...(external_id ? [eb('external_id', '=', external_id)] : []), ...(id ? [eb('id', '=', id)] : [])]),
    )
    .limit(1)
    .executeTakeFirst()
}
