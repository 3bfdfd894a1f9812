import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { Notifications } from '../tables.generated.ts'
import { mayWork } from './visibility.ts'

export type Notification = Selectable<Notifications>

/** Nobody reads more than these one by one. */
const MAX_COUNTED = 1_000

/**
 * Tells people, those of them who work in the inbox: once of each event, and of what customers write in one conversation,
 * and of what is promised in it, once until they have read it. Returns what is new.
 */
export async function insertNotifications(trx: Trx, rows: Insertable<Notifications>[]): Promise<Notification[]> {
  if (rows.length === 0) return []
  const { rows: told } = await sql<Notification>`
    insert into notifications (id, user_id, event_id, kind, conversation_id, message_id, task_id, clock_id,
      actor_type, actor_id, at)
    select n.id, n.user_id, n.event_id, n.kind, n.conversation_id, n.message_id, n.task_id, n.clock_id,
      n.actor_type, n.actor_id, n.at
    from ${rowsOf('notifications', rows)} n join conversations c on c.id = n.conversation_id
    where ${mayWork(sql`n.user_id`, sql`c.inbox_id`)}
    order by n.id
    on conflict do nothing returning *`.execute(trx)
  return told
}

/** What somebody was told about conversations that they see, the newest first: `limit` rows before the one with that id. */
export async function listNotifications(
  trx: Trx,
  reader: { user_id: string; inbox_ids: string[] | null },
  page: { unread: boolean; limit: number; after?: string | undefined },
): Promise<Notification[]> {
  let query = trx.selectFrom('notifications').selectAll().where('user_id', '=', reader.user_id)
  if (page.unread) query = query.where('read_at', 'is', null)
  if (page.after) query = query.where('id', '<', page.after)
  if (reader.inbox_ids) query = query.where(seen(reader.inbox_ids))
  return query.orderBy('id', 'desc').limit(page.limit).execute()
}

/** How many somebody has not read, of conversations that they see; counted up to a thousand. */
export async function countUnread(
  trx: Trx,
  reader: { user_id: string; inbox_ids: string[] | null },
): Promise<{ count: number; at_least: boolean }> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from (
      select from notifications where user_id = ${reader.user_id} and read_at is null
        and ${reader.inbox_ids ? seen(reader.inbox_ids) : sql`true`}
      limit ${MAX_COUNTED + 1}) unread`.execute(trx)
  const { count } = rows[0]!
  return { count: Math.min(count, MAX_COUNTED), at_least: count > MAX_COUNTED }
}

const seen = (inbox_ids: string[]) => sql<boolean>`exists (select from conversations c
  where c.id = notifications.conversation_id and c.inbox_id = any(${inbox_ids}::uuid[]))`

export async function findNotification(trx: Trx, user_id: string, id: string): Promise<Notification | undefined> {
  return trx
    .selectFrom('notifications')
    .selectAll()
    .where('id', '=', id)
    .where('user_id', '=', user_id)
    .executeTakeFirst()
}

/** Marks as read what somebody was told: these, or all up to one of them. Returns which were unread. */
export async function markNotificationsRead(
  trx: Trx,
  user_id: string,
  which: { ids: string[] } | { up_to: string },
  now: Date,
): Promise<string[]> {
  const query = trx
    .updateTable('notifications')
    .set({ read_at: now })
    .where('user_id', '=', user_id)
    .where('read_at', 'is', null)
  const rows = await ('ids' in which ? query.where('id', 'in', which.ids) : query.where('id', '<=', which.up_to))
    .returning('id')
    .execute()
  return rows.map(row => row.id).sort()
}

/** Forgets up to `limit` that are older. Returns how many. */
export async function deleteOldNotifications(trx: Trx, before: Date, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from notifications where id in (select id from notifications where at < ${before} limit ${limit})`.execute(
    trx,
  )
  return Number(numAffectedRows ?? 0)
}
