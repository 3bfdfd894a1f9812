import { type Insertable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { ConversationWatchers } from '../tables.generated.ts'
import { mayWork } from './visibility.ts'

/** What made somebody watch: themselves or a lead, a note, or that they owned the conversation. */
export type WatchReason = 'by_hand' | 'mentioned' | 'owned'
export type Watcher = { user_id: string; name: string; reason: WatchReason; watched_at: Date }
type NewWatcher = Insertable<ConversationWatchers> & { reason: WatchReason }

/** Lets people watch; returns those who did not already. Who does not work in the inbox is left out. */
export async function insertWatchers(
  trx: Trx,
  rows: NewWatcher[],
): Promise<{ conversation_id: string; user_id: string }[]> {
  if (rows.length === 0) return []
  const { rows: added } = await sql<{ conversation_id: string; user_id: string }>`
    insert into conversation_watchers (conversation_id, user_id, reason, watched_at)
    select w.conversation_id, w.user_id, w.reason, w.watched_at
    from ${rowsOf('conversation_watchers', rows)} w join conversations c on c.id = w.conversation_id
    where ${mayWork(sql`w.user_id`, sql`c.inbox_id`)}
    on conflict do nothing returning conversation_id, user_id`.execute(trx)
  return added
}

/** False when they did not watch it. */
export async function deleteWatcher(trx: Trx, conversation_id: string, user_id: string): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('conversation_watchers')
    .where('conversation_id', '=', conversation_id)
    .where('user_id', '=', user_id)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** Who watches a conversation and sees it, in the order of their names. */
export async function listWatchers(trx: Trx, conversation_id: string): Promise<Watcher[]> {
  const { rows } = await sql<Watcher>`
    select w.user_id, u.name, w.reason, w.watched_at from conversation_watchers w
    join conversations c on c.workspace_id = w.workspace_id and c.id = w.conversation_id
    join users u on u.workspace_id = w.workspace_id and u.id = w.user_id
    where w.conversation_id = ${conversation_id} and ${mayWork(sql`w.user_id`, sql`c.inbox_id`)}
    order by lower(u.name), u.id`.execute(trx)
  return rows
}

/** Who watches which of these conversations, and since when. */
export async function listWatching(
  trx: Trx,
  conversation_ids: string[],
): Promise<{ conversation_id: string; user_id: string; watched_at: Date }[]> {
  if (conversation_ids.length === 0) return []
  return trx
    .selectFrom('conversation_watchers')
    .select(['conversation_id', 'user_id', 'watched_at'])
    .where('conversation_id', 'in', conversation_ids)
    .execute()
}
