import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { MessageAction } from './message-actions.ts'

/** A reply or an action of a channel that will not be carried any further. */
export type StoppedIntent = { id: string; conversation_id: string; state: 'cancelled' | 'unknown'; was: string }

/**
 * Takes back what a channel has not sent yet. What its network may or may not have is left to a person: nobody will
 * ask the network any more.
 */
export async function stopReplies(trx: Trx, channel_id: string, reason: string): Promise<StoppedIntent[]> {
  // Locked in the order of their ids, so that two of these never wait for each other.
  const { rows } = await sql<StoppedIntent>`
    with stopped as (
      select id, state as was, case state when 'queued' then 'cancelled' else 'unknown' end as state
      from messages
      where channel_id = ${channel_id} and direction = 'outbound'
        and (state = 'queued' or (state in ('sending', 'unknown') and next_attempt_at is not null))
      order by id for update
    )
    update messages m set state = s.state, state_reason = ${reason}, next_attempt_at = null, hold_until = null
    from stopped s where m.id = s.id
    returning m.id, m.conversation_id, m.state, s.was`.execute(trx)
  return rows
}

/** The same for likes, deletions and whatever else is done to messages. */
export async function stopActions(trx: Trx, channel_id: string, reason: string): Promise<MessageAction[]> {
  const { rows } = await sql<MessageAction>`
    with stopped as (
      select id, case state when 'queued' then 'cancelled' else 'unknown' end as state
      from message_actions
      where channel_id = ${channel_id}
        and (state = 'queued' or (state in ('sending', 'unknown') and next_attempt_at is not null))
      order by id for update
    )
    update message_actions a set state = s.state, state_reason = ${reason}, next_attempt_at = null, hold_until = null
    from stopped s where a.id = s.id
    returning a.*`.execute(trx)
  return rows
}

/** Lets what was put off go now; what its author holds back stays held. */
export async function hastenReplies(trx: Trx, channel_id: string, now: Date): Promise<void> {
  await sql`update messages set next_attempt_at = ${now}
    where channel_id = ${channel_id} and state = 'queued' and next_attempt_at > ${now}
      and (hold_until is null or hold_until <= ${now})`.execute(trx)
}

/** A reply that still waits, and since when. */
export type OldReply = { message_id: string; conversation_id: string; queued_at: Date }

/** Replies of a channel that were queued before that moment and wait still, oldest first. */
export async function listOldReplies(trx: Trx, channel_id: string, before: Date, limit: number): Promise<OldReply[]> {
  return trx
    .selectFrom('messages')
    .select(['id as message_id', 'conversation_id', 'received_at as queued_at'])
    .where('channel_id', '=', channel_id)
    .where('state', '=', 'queued')
    .where('received_at', '<', before)
    .orderBy('received_at')
    .orderBy('id')
    .limit(limit)
    .execute()
}
