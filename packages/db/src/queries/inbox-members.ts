import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { Inbox } from './channels.ts'
import type { Named } from './teams.ts'

export type InboxMembers = { open_to_all: boolean; users: Named[]; teams: Named[] }

/** Locks one inbox until the transaction ends; what comes in for it does not wait for that. */
export async function lockInbox(trx: Trx, id: string): Promise<Inbox | undefined> {
  return trx.selectFrom('inboxes').selectAll().where('id', '=', id).forNoKeyUpdate().executeTakeFirst()
}

/** For how long an inbox opens resolved conversations again; null: always. */
export async function findReopenWindow(trx: Trx, id: string): Promise<number | null> {
  const row = await trx.selectFrom('inboxes').select('reopen_window_seconds').where('id', '=', id).executeTakeFirst()
  return row?.reopen_window_seconds ?? null
}

/** Fails with a foreign key's violation while channels, conversations or saved replies belong to it. */
export async function deleteInbox(trx: Trx, id: string): Promise<void> {
  await trx.deleteFrom('inboxes').where('id', '=', id).execute()
}

export type InboxMember = { user_id: string } | { team_id: string }

/** False when it is a member already. */
export async function insertInboxMember(
  trx: Trx,
  inbox_id: string,
  member: InboxMember,
  added_at: Date,
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await ('user_id' in member
    ? trx.insertInto('inbox_members').values({ inbox_id, ...member, added_at })
    : trx.insertInto('inbox_teams').values({ inbox_id, ...member, added_at })
  )
    .onConflict(conflict => conflict.doNothing())
    .executeTakeFirst()
  return (numInsertedOrUpdatedRows ?? 0n) > 0n
}

/** False when it is no member. */
export async function deleteInboxMember(trx: Trx, inbox_id: string, member: InboxMember): Promise<boolean> {
  const { numDeletedRows } = await ('user_id' in member
    ? trx.deleteFrom('inbox_members').where('inbox_id', '=', inbox_id).where('user_id', '=', member.user_id)
    : trx.deleteFrom('inbox_teams').where('inbox_id', '=', inbox_id).where('team_id', '=', member.team_id)
  ).executeTakeFirst()
  return numDeletedRows > 0n
}

/** The people and teams of an inbox, in the order of their names. */
export async function readInboxMembers(trx: Trx, inbox: Inbox): Promise<InboxMembers> {
  const [users, teams] = await Promise.all([
    sql<Named>`
      select u.id, u.name from inbox_members m join users u on u.workspace_id = m.workspace_id and u.id = m.user_id
      where m.inbox_id = ${inbox.id} order by lower(u.name), u.id`.execute(trx),
    sql<Named>`
      select t.id, t.name from inbox_teams m join teams t on t.workspace_id = m.workspace_id and t.id = m.team_id
      where m.inbox_id = ${inbox.id} order by lower(t.name), t.id`.execute(trx),
  ])
  return { open_to_all: inbox.open_to_all, users: users.rows, teams: teams.rows }
}

/** Those of these ids that name an inbox. */
export async function listKnownInboxIds(trx: Trx, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await trx.selectFrom('inboxes').select('id').where('id', 'in', ids).execute()
  return rows.map(row => row.id)
}
