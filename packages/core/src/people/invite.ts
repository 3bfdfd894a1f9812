import {
  appendEvents,
  findUserByEmail,
  generateLinkToken,
  hashToken,
  type Invitation,
  insertInvitation,
  listKnownInboxIds,
  listKnownTeamIds,
  lockInvitation,
  newId,
  type Trx,
  updateInvitation,
} from '@parley/db'
import { DomainError, INVITATION_SECONDS, type Member, NotFound, type Role } from '@parley/domain'

export type InvitationDraft = { email: string; role: Role; inbox_ids: string[]; team_ids: string[] }

/**
 * Invites somebody. Parley sends no mail: who invites hands the token on.
 * @throws DomainError `conflict` when the address is somebody's here, `validation_failed` for an unknown inbox or team
 */
export async function invite(
  trx: Trx,
  draft: InvitationDraft,
  actor: Member,
  now: Date,
): Promise<Invitation & { token: string }> {
  const { email, role } = draft
  const [inbox_ids, team_ids] = [[...new Set(draft.inbox_ids)], [...new Set(draft.team_ids)]]
  if (await findUserByEmail(trx, email)) throw new DomainError('conflict', 'Somebody here has this address already.')
  const unknown =
    (await listKnownInboxIds(trx, inbox_ids)).length < inbox_ids.length
      ? 'inbox_ids names an inbox'
      : (await listKnownTeamIds(trx, team_ids)).length < team_ids.length
        ? 'team_ids names a team'
        : undefined
  if (unknown) throw new DomainError('validation_failed', `${unknown} that is not of this workspace.`)
  const token = generateLinkToken()
  const invitation = await insertInvitation(trx, {
    id: newId(now),
    email,
    role,
    inbox_ids,
    team_ids,
    token_hash: hashToken(token),
    invited_by_type: actor.type,
    invited_by_id: actor.id,
    created_at: now,
    expires_at: new Date(now.getTime() + INVITATION_SECONDS * 1000),
  })
  const data = { invitation_id: invitation.id, email, role, inbox_ids, team_ids }
  await appendEvents(trx, [{ type: 'invitation.created', at: now, actor, data }])
  return { ...invitation, token }
}

/**
 * Takes an invitation back; doing so again changes nothing.
 * @throws NotFound, or DomainError `conflict` for one that was accepted
 */
export async function revokeInvitation(trx: Trx, id: string, actor: Member, now: Date): Promise<Invitation> {
  const invitation = await lockInvitation(trx, id)
  if (!invitation) throw new NotFound('invitation')
  if (invitation.accepted_at) throw new DomainError('conflict', 'It was accepted; disable the person instead.')
  if (invitation.revoked_at) return invitation
  await appendEvents(trx, [{ type: 'invitation.revoked', at: now, actor, data: { invitation_id: id } }])
  return updateInvitation(trx, id, { revoked_at: now })
}
