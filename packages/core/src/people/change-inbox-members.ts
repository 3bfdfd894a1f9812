import {
  appendEvents,
  deleteInboxMember,
  findTeam,
  findUser,
  type Inbox,
  type InboxMember,
  type InboxMembers,
  insertInboxMember,
  lockInbox,
  readInboxMembers,
  type Trx,
} from '@parley/db'
import { type Actor, NotFound } from '@parley/domain'
import { changeInbox } from './change-inbox.ts'
import { handBackUnseen } from './hand-back.ts'

/**
 * Makes a person or a team a member of an inbox. An inbox that was open to all is closed to others by its first member;
 * adding a member again changes nothing.
 * @throws NotFound
 */
export async function addInboxMember(
  trx: Trx,
  inbox_id: string,
  member: InboxMember,
  actor: Actor,
  now: Date,
): Promise<InboxMembers> {
  const inbox = await getInbox(trx, inbox_id)
  await refuseUnknown(trx, member)
  const { users, teams } = await readInboxMembers(trx, inbox)
  if (await insertInboxMember(trx, inbox_id, member, now)) {
    await appendEvents(trx, [{ type: 'inbox.member_added', at: now, actor, data: { inbox_id, ...member } }])
    const first = users.length + teams.length === 0
    if (first) await changeInbox(trx, inbox_id, { open_to_all: false }, actor, now)
  }
  return readInboxMembers(trx, await getInbox(trx, inbox_id))
}

/**
 * Takes a person or a team out of an inbox; what they own there and see no more goes back to the queue. The inbox stays
 * closed, also when nobody is left: it is opened by saying so.
 * @throws NotFound
 */
export async function removeInboxMember(
  trx: Trx,
  inbox_id: string,
  member: InboxMember,
  actor: Actor,
  now: Date,
): Promise<InboxMembers> {
  const inbox = await getInbox(trx, inbox_id)
  await refuseUnknown(trx, member)
  if (await deleteInboxMember(trx, inbox_id, member)) {
    await appendEvents(trx, [{ type: 'inbox.member_removed', at: now, actor, data: { inbox_id, ...member } }])
    await handBackUnseen(trx, { inbox_id }, actor, now)
  }
  return readInboxMembers(trx, inbox)
}

async function getInbox(trx: Trx, id: string): Promise<Inbox> {
  const inbox = await lockInbox(trx, id)
  if (!inbox) throw new NotFound('inbox')
  return inbox
}

async function refuseUnknown(trx: Trx, member: InboxMember): Promise<void> {
  if ('user_id' in member && !(await findUser(trx, member.user_id))) throw new NotFound('user')
  if ('team_id' in member && !(await findTeam(trx, member.team_id))) throw new NotFound('team')
}
