import {
  appendEvents,
  type Conversation,
  insertAssignments,
  insertDecision,
  type NewEvent,
  newId,
  type Trx,
  updateOwners,
} from '@parley/db'
import type { Actor, AssignmentReason, RoutingDecision } from '@parley/domain'
import { followOwners } from './sla/follow-owners.ts'

export type NewOwner = {
  to: string | null
  reason: AssignmentReason
  /** When it goes back to the queue without work; null: it does not. */
  claim_expires_at?: Date | null
  /** Why they, where nobody said so. */
  decision?: RoutingDecision
}
/** One conversation that goes to its next owner, and who lets it. */
export type Handover = NewOwner & { conversation: Conversation; actor: Actor }

/** Gives a conversation that the caller has locked to its next owner: the row, its history and the log, all or nothing. */
export async function setOwner(
  trx: Trx,
  conversation: Conversation,
  owner: NewOwner,
  actor: Actor,
  now: Date,
): Promise<Conversation> {
  const [changed] = await setOwners(trx, [{ ...owner, conversation, actor }], now)
  return changed!
}

/** The same for many at once, with a fixed number of statements where no clock ends by it. In the order given. */
export async function setOwners(trx: Trx, handovers: Handover[], now: Date): Promise<Conversation[]> {
  if (handovers.length === 0) return []
  // Sent together: who asks for the next conversation waits for one round trip, not for each.
  const [changed] = await Promise.all([
    writeOwners(trx, handovers, now),
    appendEvents(trx, ownerEvents(handovers, now)),
  ])
  const changes = changed.map((row, place) => {
    const { conversation, actor } = handovers[place]!
    return { ...row, actor, was: { owner_id: conversation.assignee_id, team_id: conversation.team_id } }
  })
  return followOwners(trx, changes, now)
}

/** The rows and their history alone: the caller logs it, and lets clocks follow. */
export async function writeOwners(trx: Trx, handovers: Handover[], now: Date): Promise<Conversation[]> {
  const assignments = handovers.map(({ conversation: { id, assignee_id }, to, reason, actor }) => ({
    id: newId(now),
    conversation_id: id,
    user_id: to,
    previous_user_id: assignee_id,
    actor_type: actor.type,
    actor_id: actor.id,
    assigned_at: now,
    reason,
  }))
  const owners = handovers.map(({ conversation: { id }, to, claim_expires_at = null }) => ({
    ...{ id, assignee_id: to, claim_expires_at, updated_at: now },
  }))
  const decisions = handovers.flatMap(({ decision }, place) => (decision ? [{ decision, place }] : []))
  const [, changed] = await Promise.all([
    insertAssignments(trx, assignments),
    updateOwners(trx, owners),
    ...decisions.map(({ decision, place }) => insertDecision(trx, assignments[place]!.id, decision)),
  ])
  return changed
}

export function ownerEvents(handovers: Handover[], now: Date): NewEvent[] {
  return handovers.map(({ conversation: { id, assignee_id, team_id }, to, reason, actor }) => ({
    type: to ? 'conversation.assigned' : 'conversation.unassigned',
    at: now,
    actor,
    conversation_id: id,
    data: { assignee_id: to, team_id, reason },
    previous: { assignee_id },
  }))
}
