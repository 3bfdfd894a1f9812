import { type EventRow, listLeadsOf, type Trx } from '@parley/db'

type ClockNews = { assignee_id?: unknown; team_id?: unknown }

/**
 * Whom promises that are about to be broken, or are, are told to, by the id of the event: who owned the conversation then.
 * Where nobody did, the leads of the team that had it; without any, the leads who work in its inbox; without any, its
 * administrators.
 */
export async function whomClocksConcern(trx: Trx, events: EventRow[]): Promise<Map<string, string[]>> {
  const told = new Map<string, string[]>()
  const unowned = []
  for (const { id, type, conversation_id, data } of events) {
    if (!conversation_id || (type !== 'sla.warned' && type !== 'sla.breached')) continue
    const { assignee_id, team_id } = data as ClockNews
    if (typeof assignee_id === 'string') told.set(id, [assignee_id])
    else unowned.push({ id, conversation_id, team_id: typeof team_id === 'string' ? team_id : null })
  }
  const everybody = await listLeadsOf(trx, unowned)
  for (const { id, conversation_id, team_id } of unowned) {
    const able = everybody.filter(lead => lead.conversation_id === conversation_id && lead.team_id === team_id)
    const leads = able.filter(({ is_admin }) => !is_admin)
    const ofTeam = leads.filter(({ in_team }) => in_team)
    const nearest = [ofTeam, leads, able].find(some => some.length > 0) ?? []
    told.set(
      id,
      nearest.map(({ user_id }) => user_id),
    )
  }
  return told
}
