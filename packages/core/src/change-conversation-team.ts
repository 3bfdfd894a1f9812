import {
  appendEvents,
  type Conversation,
  lockConversation,
  lockTeamFor,
  type Trx,
  updateConversation,
} from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'
import { followWithClocks } from './sla/settle-clocks.ts'

/**
 * Gives a conversation to a team, or to none, if its team is still the one the caller saw. Its owner stays: the team says
 * whose work it is, the owner who does it.
 * @throws NotFound, or DomainError `version_mismatch` naming the present team, `validation_failed` for a team that there is
 *   not or that does not work in the inbox
 */
export async function changeConversationTeam(
  trx: Trx,
  id: string,
  teams: { from: string | null; to: string | null },
  actor: Actor,
  now: Date,
): Promise<Conversation> {
  const conversation = await lockConversation(trx, id)
  if (!conversation) throw new NotFound('conversation')
  const { team_id } = conversation
  if (team_id === teams.to) return conversation
  if (team_id !== teams.from) {
    throw new DomainError('version_mismatch', 'The conversation belongs to another team by now.', { team_id })
  }
  if (teams.to && !(await lockTeamFor(trx, teams.to, conversation.inbox_id))) {
    throw new DomainError('validation_failed', 'team_id names no team that works in this inbox.')
  }
  const data = { team_id: teams.to }
  const type = 'conversation.updated' as const
  await appendEvents(trx, [{ type, at: now, actor, conversation_id: id, data, previous: { team_id } }])
  const row = await updateConversation(trx, id, { team_id: teams.to, updated_at: now })
  const was = { owner_id: row.assignee_id, team_id }
  return followWithClocks(trx, { ...row, was }, ['team_id'], actor, now)
}
