import { appendEvents, breachDueClocks, type Trx } from '@parley/db'
import { SYSTEM } from '@parley/domain'

/** Records breaches that have come due, at the times they came due, up to `limit`. Returns how many there were. */
export async function breachClocks(trx: Trx, now: Date, limit: number): Promise<number> {
  const clocks = await breachDueClocks(trx, now, limit)
  const events = clocks.map(({ id, conversation_id, contact_id, metric, due_at, owner_id, team_id }) => ({
    type: 'sla.breached' as const,
    at: now,
    actor: SYSTEM,
    conversation_id,
    data: { clock_id: id, contact_id, metric, due_at, owner_id, assignee_id: owner_id, team_id },
  }))
  await appendEvents(trx, events)
  return clocks.length
}
