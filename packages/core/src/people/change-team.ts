import {
  appendEvents,
  deleteTeam,
  deleteTeamMember,
  findUser,
  insertTeam,
  insertTeamMember,
  listInboxIdsOfTeam,
  lockInbox,
  lockTeam,
  lockUser,
  newId,
  renameTeam,
  type Team,
  type Trx,
} from '@parley/db'
import { type Actor, NotFound } from '@parley/domain'
import { handBackUnseen } from './hand-back.ts'

export async function createTeam(trx: Trx, name: string, actor: Actor, now: Date): Promise<Team> {
  const team = await insertTeam(trx, { id: newId(now), name, created_at: now })
  await appendEvents(trx, [{ type: 'team.created', at: now, actor, data: { team_id: team.id, name } }])
  return team
}

/** @throws NotFound */
export async function changeTeam(trx: Trx, id: string, name: string, actor: Actor, now: Date): Promise<Team> {
  const present = await getTeam(trx, id)
  if (present.name === name) return present
  const previous = { name: present.name }
  await appendEvents(trx, [{ type: 'team.updated', at: now, actor, data: { team_id: id, name }, previous }])
  return renameTeam(trx, id, name)
}

/**
 * Deletes a team. Who saw an inbox by it alone sees it no more, and gives back what they own there.
 * @throws NotFound
 */
export async function removeTeam(trx: Trx, id: string, actor: Actor, now: Date): Promise<Team> {
  const team = await getTeam(trx, id)
  const inbox_ids = await listInboxIdsOfTeam(trx, id)
  for (const inbox_id of inbox_ids) await lockInbox(trx, inbox_id)
  await deleteTeam(trx, id)
  await appendEvents(trx, [{ type: 'team.deleted', at: now, actor, data: { team_id: id, name: team.name } }])
  for (const inbox_id of inbox_ids) await handBackUnseen(trx, { inbox_id }, actor, now)
  return team
}

/** @throws NotFound for an unknown team or person; adding somebody again changes nothing */
export async function addTeamMember(
  trx: Trx,
  { team_id, user_id }: { team_id: string; user_id: string },
  actor: Actor,
  now: Date,
): Promise<void> {
  await getTeam(trx, team_id)
  if (!(await findUser(trx, user_id))) throw new NotFound('user')
  if (!(await insertTeamMember(trx, team_id, user_id, now))) return
  await appendEvents(trx, [{ type: 'team.member_added', at: now, actor, data: { team_id, user_id } }])
}

/** @throws NotFound for an unknown team or person; removing somebody again changes nothing */
export async function removeTeamMember(
  trx: Trx,
  { team_id, user_id }: { team_id: string; user_id: string },
  actor: Actor,
  now: Date,
): Promise<void> {
  await getTeam(trx, team_id)
  if (!(await lockUser(trx, user_id))) throw new NotFound('user')
  if (!(await deleteTeamMember(trx, team_id, user_id))) return
  await appendEvents(trx, [{ type: 'team.member_removed', at: now, actor, data: { team_id, user_id } }])
  await handBackUnseen(trx, { user_id }, actor, now)
}

async function getTeam(trx: Trx, id: string): Promise<Team> {
  const team = await lockTeam(trx, id)
  if (!team) throw new NotFound('team')
  return team
}
