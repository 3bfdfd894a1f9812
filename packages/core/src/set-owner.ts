import {
  appendEvents,
  type Conversation,
  insertAssignments,
  insertDecision,
  newId,
  type Trx,
  updateConversation,
} from '@parley/db'
import type { Actor, AssignmentReason, RoutingDecision } from '@parley/domain'
import { followWithClocks } from './sla/settle-clocks.ts'

export type NewOwner = {
  to: string | null
  reason: AssignmentReason
  /** When it goes back to the queue without work; null: it does not. */
  claim_expires_at?: Date | null
  /** Why they, where nobody said so. */
  decision?: RoutingDecision
}

/** Gives a conversation that the caller has locked to its next owner: the row, its history and the log, all or nothing. */
export async function setOwner(
  trx: Trx,
  conversation: Conversation,
  { to, reason, claim_expires_at = null, decision }: NewOwner,
  actor: Actor,
  now: Date,
): Promise<Conversation> {
  const { id: conversation_id, assignee_id, team_id } = conversation
  const assignment = {
    id: newId(now),
    conversation_id,
    user_id: to,
    previous_user_id: assignee_id,
    actor_type: actor.type,
    actor_id: actor.id,
    assigned_at: now,
    reason,
  }
  const type = to ? 'conversation.assigned' : 'conversation.unassigned'
  const data = { assignee_id: to, team_id, reason }
  // Sent together: who asks for the next conversation waits for one round trip, not for each.
  const [, changed] = await Promise.all([
    insertAssignments(trx, [assignment]),
    updateConversation(trx, conversation_id, { assignee_id: to, claim_expires_at, updated_at: now }),
    appendEvents(trx, [{ type, at: now, actor, conversation_id, data, previous: { assignee_id } }]),
    decision && insertDecision(trx, assignment.id, decision),
  ])
  const was = { owner_id: assignee_id, team_id }
  return followWithClocks(trx, { ...changed, was }, ['assignee_id'], actor, now)
}
