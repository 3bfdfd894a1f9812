import type { BatchAction } from '@parley/domain'
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { MessageBatch } from './message-batches.ts'
import type { Message } from './messages.ts'
import type { Reach } from './visibility.ts'

export type Frozen = Pick<MessageBatch, 'total' | 'refused' | 'more' | 'inbox_ids'>

/** Writes down the messages that were named. One that is not there, or not seen by the caller, is refused at once. */
export async function freezeNamed(
  trx: Trx,
  batch_id: string,
  message_ids: string[],
  { inbox_ids }: Reach,
  now: Date,
): Promise<Frozen> {
  const seen = inbox_ids ? sql`and inbox_id = any(${inbox_ids}::uuid[])` : sql``
  const { rows } = await sql<Frozen>`
    with named as materialized (
      select wanted.id, place.inbox_id, place.inbox_id is null as missing
      from unnest(${message_ids}::uuid[]) as wanted (id)
        left join lateral (select c.inbox_id
          from (select conversation_id from messages where id = wanted.id limit 1) m,
            lateral (select inbox_id from conversations where id = m.conversation_id ${seen} limit 1) c) place on true),
    frozen as (
      insert into message_batch_items (workspace_id, batch_id, message_id, result, code, detail, at)
      select (select current_workspace()), ${batch_id}, id, case when missing then 'refused' else 'pending' end,
        case when missing then 'not_found' end, case when missing then 'There is no such message.' end,
        case when missing then ${now}::timestamptz end
      from named)
    select count(*)::int as total, count(*) filter (where missing)::int as refused, false as more,
      array(select distinct inbox_id from named where not missing order by inbox_id)::text[] as inbox_ids
    from named`.execute(trx)
  return rows[0]!
}

/** What customers wrote in a conversation, or on a post. `seen_until`: only what had come in here by then. */
export type BatchSelection = { inbox_id: string; seen_until: Date | null } & (
  | { conversation_id: string }
  | { post_id: string; fingerprint: string | undefined }
)

/**
 * Writes down the messages of a selection, as they are now, to which the action can be done: up to `most`, the oldest first.
 * One statement, however many they are.
 */
export async function freezeSelection(
  trx: Trx,
  batch: { id: string; action: BatchAction },
  selection: BatchSelection,
  most: number,
): Promise<Frozen> {
  const { inbox_id, seen_until } = selection
  const { rows } = await sql<Omit<Frozen, 'inbox_ids'>>`
    with chosen as materialized (
      select m.id from ${placed(selection)} where m.direction = 'inbound' and ${CAN_BE_DONE_TO[batch.action]}
        and (${seen_until}::timestamptz is null or m.processed_at <= ${seen_until}::timestamptz)
      order by m.id limit ${most + 1}::int),
    frozen as (
      insert into message_batch_items (workspace_id, batch_id, message_id, result)
      select (select current_workspace()), ${batch.id}, id, 'pending' from chosen order by id limit ${most}::int
      returning 1)
    select (select count(*)::int from frozen) as total, 0 as refused, (select count(*) from chosen) > ${most}::int as more`.execute(
    trx,
  )
  return { ...rows[0]!, inbox_ids: [inbox_id] }
}

/** `m`: the messages there. */
function placed(selection: BatchSelection) {
  if ('conversation_id' in selection)
    return sql`(select * from messages where conversation_id = ${selection.conversation_id}) m`
  const alike = selection.fingerprint === undefined ? sql`` : sql`and fingerprint = ${selection.fingerprint}`
  return sql`(select message_id from post_messages where post_id = ${selection.post_id} ${alike}) p,
    lateral (select * from messages where id = p.message_id limit 1) m`
}

const ON_NETWORK = sql`m.external_id is not null and m.state = 'received' and m.deleted_at is null`

/** To which messages of customers an action can be done at all. What else speaks against it, each one's turn tells. */
const CAN_BE_DONE_TO: Record<BatchAction, RawBuilder<unknown>> = {
  // In spam as well: it may turn out to be none.
  dismiss: sql`m.answered_at is null and m.hidden_at is null and m.dismissed_at is null and m.deleted_at is null
    and not m.automatic and not m.from_history`,
  undismiss: sql`m.dismissed_at is not null and m.deleted_at is null`,
  hide: sql`${ON_NETWORK} and m.hidden_at is null`,
  unhide: sql`${ON_NETWORK} and m.hidden_at is not null`,
  like: sql`${ON_NETWORK} and m.liked_at is null`,
  unlike: sql`${ON_NETWORK} and m.liked_at is not null`,
  // Only what we wrote ourselves can we delete, and a selection is of what customers wrote.
  delete: sql`false`,
}

/** The message of that conversation, or on that post, up to which somebody has seen what came in. */
export async function findSeenMessage(
  trx: Trx,
  id: string,
  target: { conversation_id?: string | undefined; post_id?: string | undefined },
): Promise<Pick<Message, 'processed_at'> | undefined> {
  const { rows } = await sql<Pick<Message, 'processed_at'>>`
    select m.processed_at from messages m join conversations c on c.workspace_id = m.workspace_id and c.id = m.conversation_id
    where m.id = ${id} and ${
      target.conversation_id ? sql`c.id = ${target.conversation_id}` : sql`c.post_id = ${target.post_id}`
    }`.execute(trx)
  return rows[0]
}
