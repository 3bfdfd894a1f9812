import type { Candidate, Routing } from '@parley/domain'
import { sql } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import { queueOf } from './claims.ts'
import type { Conversation } from './conversations.ts'
import { mayWork } from './visibility.ts'

/** Inboxes whose conversations find an owner by themselves, in every workspace. */
export async function listRoutedWorkspaces(trx: SystemTrx): Promise<string[]> {
  const { rows } = await sql<{ workspace_id: string }>`
    select distinct workspace_id from inboxes where routing->>'mode' <> 'manual'`.execute(trx)
  return rows.map(row => row.workspace_id)
}

/**
 * Locks the inboxes of a workspace whose conversations find an owner by themselves, in id order, against a change of who
 * works there. None while another worker is at it: two who count at once would give somebody too much.
 */
export async function lockRoutedInboxes(trx: Trx): Promise<{ id: string; routing: Routing }[]> {
  const { rows } = await sql<{ id: string; routing: Routing }>`
    with mine as materialized (
      select pg_try_advisory_xact_lock(hashtextextended('routing:' || current_workspace()::text, 0)) as locked)
    select i.id, i.routing from inboxes i where i.routing->>'mode' <> 'manual' and (select locked from mine)
    order by i.id for share of i`.execute(trx)
  return rows
}

/**
 * Everybody who works in an inbox, with what they own. They are locked against a change of their availability; whoever is
 * being changed right now is left out until the next time, so that nobody who hands back is waited for.
 */
export async function lockCandidates(trx: Trx, inbox_id: string): Promise<Candidate[]> {
  const { rows } = await sql<Candidate>`
    select u.id, u.availability, u.out_of_office_until, u.skills, u.languages, u.capacity,
      (select count(*) from conversations c
        where c.assignee_id = u.id and c.status = any('{open,pending,snoozed}')) as load,
      coalesce(t.turn, 0) as turn
    from users u
    left join routing_turns t on t.workspace_id = u.workspace_id and t.inbox_id = ${inbox_id} and t.user_id = u.id
    where ${mayWork(sql`u.id`, sql`${inbox_id}::uuid`)}
    order by u.id for share of u skip locked`.execute(trx)
  return rows
}

export type Routable = Conversation & { tags: string[] }

/**
 * Locks the most urgent open conversations of an inbox that nobody owns, with the names of their tags; what another
 * transaction works on is passed over.
 * @param spoken_before a conversation begun later whose language is not known yet is left for a moment
 */
export async function lockRoutable(
  trx: Trx,
  inbox_id: string,
  spoken_before: Date,
  limit: number,
): Promise<Routable[]> {
  const known = sql`and (c.language is not null or c.created_at <= ${spoken_before})`
  const { rows } = await sql<Routable>`
    select q.*, array(select t.name from conversation_tags g join tags t on t.workspace_id = g.workspace_id and t.id = g.tag_id
      where g.conversation_id = q.id) as tags
    from (${queueOf(inbox_id, known)} limit ${limit} for update skip locked) q`.execute(trx)
  return rows
}

/** The person who answered this customer last, in whichever conversation; null where nobody did. */
export async function findLastAnswerer(trx: Trx, contact_ids: string[]): Promise<string | null> {
  const { rows } = await sql<{ author_id: string }>`
    select author_id from messages
    where contact_id = any(${contact_ids}::uuid[]) and direction = 'outbound' and author_type = 'user'
    order by occurred_at desc limit 1`.execute(trx)
  return rows[0]?.author_id ?? null
}

/** Puts somebody at the end of the line. */
export async function setTurn(trx: Trx, inbox_id: string, user_id: string, turn: number): Promise<void> {
  await trx
    .insertInto('routing_turns')
    .values({ inbox_id, user_id, turn })
    .onConflict(conflict => conflict.columns(['workspace_id', 'inbox_id', 'user_id']).doUpdateSet({ turn }))
    .execute()
}
