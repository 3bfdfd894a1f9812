import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import { type ConversationFilter, conditionsOf } from './conversation-list.ts'

/** More than anybody works through: a list that is not counted all along is counted so far. */
const MAX_COUNTED = 1_000

/** `at_least`: there are more than these. */
export type ConversationCount = { count: number; at_least: boolean }

/**
 * How many conversations a list has. By inbox, channel, status, priority, owner, team and whether somebody waits they are
 * counted as they change; by anything else up to a thousand are looked at now.
 */
export async function countConversations(trx: Trx, filter: ConversationFilter): Promise<ConversationCount> {
  const { status, inbox_ids, contact_id, post_id, sla, unread_by, updated_after, language } = filter
  const kind = [
    ...(status ? [sql`c.status = any(${status}::text[])`] : []),
    ...(inbox_ids ? [sql`c.inbox_id = any(${inbox_ids}::uuid[])`] : []),
  ]
  const looked_up = contact_id || post_id || filter.tag_ids?.length || filter.attributes?.length
  const own = unread_by || filter.watched_by || filter.mentioned
  if (looked_up || own || sla || updated_after || language !== undefined) {
    const where = [sql`true`, ...kind, ...conditionsOf(filter)]
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from (
        select from conversations c where ${sql.join(where, sql` and `)} limit ${MAX_COUNTED + 1}) found`.execute(trx)
    const { count } = rows[0]!
    return { count: Math.min(count, MAX_COUNTED), at_least: count > MAX_COUNTED }
  }
  const waiting = filter.waiting ? [sql`c.waiting`] : []
  const where = [sql`true`, ...kind, ...waiting, ...conditionsOf({ ...filter, waiting: undefined })]
  const { rows } = await sql<{ count: number }>`
    select coalesce(sum(count), 0)::int as count from conversation_counts c
    where ${sql.join(where, sql` and `)}`.execute(trx)
  return { count: rows[0]!.count, at_least: false }
}

/**
 * Adds up what has been written to the counts since the last time, up to `limit` rows. Several workers may be at it. Returns
 * how many rows there are fewer.
 */
export async function compactCounts(trx: Trx, limit: number): Promise<number> {
  const { rows } = await sql<{ fewer: number }>`
    with taken as (
      delete from conversation_counts where (workspace_id, id) in (
        select workspace_id, id from conversation_counts order by id limit ${limit} for update skip locked)
      returning *),
    sums as (
      insert into conversation_counts (inbox_id, channel_id, status, priority, assignee_id, team_id, waiting, count)
      select inbox_id, channel_id, status, priority, assignee_id, team_id, waiting, sum(count)
      from taken group by 1, 2, 3, 4, 5, 6, 7 having sum(count) <> 0
      returning 1)
    select (select count(*) from taken)::int - (select count(*) from sums)::int as fewer`.execute(trx)
  return rows[0]!.fewer
}

/** How many rows the counts are spread over. */
export async function countCountRows(trx: Trx): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*)::int as count from conversation_counts`.execute(trx)
  return rows[0]!.count
}
