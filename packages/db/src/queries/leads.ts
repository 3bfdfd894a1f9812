import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import { mayWork } from './visibility.ts'

/** A conversation as a team had it. */
export type HeldConversation = { conversation_id: string; team_id: string | null }
export type LeadOf = HeldConversation & { user_id: string; in_team: boolean; is_admin: boolean }

/** Leads and administrators who work in the inboxes of these conversations now, and whether each is in the team. */
export async function listLeadsOf(trx: Trx, held: HeldConversation[]): Promise<LeadOf[]> {
  if (held.length === 0) return []
  const [ids, teams] = [held.map(row => row.conversation_id), held.map(row => row.team_id)]
  const { rows } = await sql<LeadOf>`
    select distinct h.conversation_id, h.team_id, u.id as user_id, u.role = 'admin' as is_admin,
      exists (select from team_members m where m.team_id = h.team_id and m.user_id = u.id) as in_team
    from unnest(${ids}::uuid[], ${teams}::uuid[]) as h (conversation_id, team_id)
    join conversations c on c.id = h.conversation_id
    join users u on u.role in ('lead', 'admin') and ${mayWork(sql`u.id`, sql`c.inbox_id`)}`.execute(trx)
  return rows
}
