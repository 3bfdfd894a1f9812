import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { IdPage } from '../id-page.ts'
import { startOf } from '../id-page.ts'
import type { Teams } from '../tables.generated.ts'

export type Team = Selectable<Teams>
/** Somebody or something by id and name, as lists of members show it. */
export type Named = { id: string; name: string }

export async function insertTeam(trx: Trx, row: Insertable<Teams>): Promise<Team> {
  return trx.insertInto('teams').values(row).returningAll().executeTakeFirstOrThrow()
}

export async function listTeams(trx: Trx, page: IdPage): Promise<Team[]> {
  return trx.selectFrom('teams').selectAll().where('id', '>', startOf(page)).orderBy('id').limit(page.limit).execute()
}

export async function findTeam(trx: Trx, id: string): Promise<Team | undefined> {
  return trx.selectFrom('teams').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Locks one team until the transaction ends. */
export async function lockTeam(trx: Trx, id: string): Promise<Team | undefined> {
  return trx.selectFrom('teams').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

export async function renameTeam(trx: Trx, id: string, name: string): Promise<Team> {
  return trx.updateTable('teams').set({ name }).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
}

/** Takes its memberships along, of people and of inboxes. */
export async function deleteTeam(trx: Trx, id: string): Promise<void> {
  await trx.deleteFrom('teams').where('id', '=', id).execute()
}

/** False when they are in it already. */
export async function insertTeamMember(trx: Trx, team_id: string, user_id: string, added_at: Date): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('team_members')
    .values({ team_id, user_id, added_at })
    .onConflict(conflict => conflict.doNothing())
    .executeTakeFirst()
  return (numInsertedOrUpdatedRows ?? 0n) > 0n
}

/** False when they are not in it. */
export async function deleteTeamMember(trx: Trx, team_id: string, user_id: string): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('team_members')
    .where('team_id', '=', team_id)
    .where('user_id', '=', user_id)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** The people of a team, in the order of their names. */
export async function listTeamMembers(trx: Trx, team_id: string): Promise<Named[]> {
  const { rows } = await sql<Named>`
    select u.id, u.name from team_members m join users u on u.workspace_id = m.workspace_id and u.id = m.user_id
    where m.team_id = ${team_id} order by lower(u.name), u.id`.execute(trx)
  return rows
}

/** The teams that somebody is in. */
export async function listTeamIdsOf(trx: Trx, user_id: string): Promise<string[]> {
  const rows = await trx.selectFrom('team_members').select('team_id').where('user_id', '=', user_id).execute()
  return rows.map(row => row.team_id).sort()
}

/** Those of these ids that name a team. */
export async function listKnownTeamIds(trx: Trx, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await trx.selectFrom('teams').select('id').where('id', 'in', ids).execute()
  return rows.map(row => row.id)
}

export async function listInboxIdsOfTeam(trx: Trx, team_id: string): Promise<string[]> {
  const rows = await trx.selectFrom('inbox_teams').select('inbox_id').where('team_id', '=', team_id).execute()
  return rows.map(row => row.inbox_id).sort()
}

/**
 * Whether a team works in an inbox: one that is open to all, or the team's. It stays so until the transaction ends: who
 * deletes the team or takes it away locks one of the two first.
 */
export async function lockTeamFor(trx: Trx, team_id: string, inbox_id: string): Promise<boolean> {
  const [{ rows }] = await Promise.all([
    sql`select from teams where id = ${team_id} for share`.execute(trx),
    sql`select from inboxes where id = ${inbox_id} for share`.execute(trx),
  ])
  if (rows.length === 0) return false
  const found = await sql<{ works: boolean }>`
    select exists (select from inboxes where id = ${inbox_id} and open_to_all)
      or exists (select from inbox_teams where inbox_id = ${inbox_id} and team_id = ${team_id}) as works`.execute(trx)
  return found.rows[0]!.works
}
