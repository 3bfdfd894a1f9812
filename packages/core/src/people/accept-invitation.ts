import {
  appendEvents,
  type InboxMember,
  insertInboxMember,
  insertTeamMember,
  insertUser,
  listKnownInboxIds,
  listKnownTeamIds,
  lockInvitation,
  type NewEvent,
  newId,
  type Trx,
  type User,
  updateInvitation,
} from '@parley/db'
import { NotFound } from '@parley/domain'

/**
 * Makes whoever holds an invitation a person of the workspace, once. Inboxes and teams that are gone by now are left out,
 * and an inbox that is open to all stays so: whom it is closed to, an administrator says.
 * @throws NotFound for one that was accepted, taken back or has expired
 */
export async function acceptInvitation(
  trx: Trx,
  id: string,
  person: { name: string; password_hash: string },
  now: Date,
): Promise<User> {
  const invitation = await lockInvitation(trx, id)
  if (!invitation || invitation.accepted_at || invitation.revoked_at || invitation.expires_at <= now) {
    throw new NotFound('invitation')
  }
  const { email, role } = invitation
  const stamps = { created_at: now, password_changed_at: now }
  const user = await insertUser(trx, { id: newId(now), email, role, ...person, ...stamps })
  const { id: user_id } = user
  await updateInvitation(trx, id, { accepted_at: now, user_id })
  const event = { at: now, actor: { type: 'user' as const, id: user_id } }
  const events: NewEvent[] = [
    { ...event, type: 'user.created', data: { user_id, role } },
    { ...event, type: 'invitation.accepted', data: { invitation_id: id, user_id } },
  ]
  for (const inbox_id of await listKnownInboxIds(trx, invitation.inbox_ids)) {
    const member: InboxMember = { user_id }
    await insertInboxMember(trx, inbox_id, member, now)
    events.push({ ...event, type: 'inbox.member_added', data: { inbox_id, ...member } })
  }
  for (const team_id of await listKnownTeamIds(trx, invitation.team_ids)) {
    await insertTeamMember(trx, team_id, user_id, now)
    events.push({ ...event, type: 'team.member_added', data: { team_id, user_id } })
  }
  await appendEvents(trx, events)
  return user
}
