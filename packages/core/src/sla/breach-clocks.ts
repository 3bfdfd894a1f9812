import { appendEvents, breachDueClocks, type Trx } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { aboutClock } from './clock-events.ts'

/** Records breaches that have come due, at the times they came due, up to `limit`. Returns how many there were. */
export async function breachClocks(trx: Trx, now: Date, limit: number): Promise<number> {
  const clocks = await breachDueClocks(trx, now, limit)
  const events = clocks.map(clock => ({
    type: 'sla.breached' as const,
    at: now,
    actor: SYSTEM,
    conversation_id: clock.conversation_id,
    data: { ...aboutClock(clock), owner_id: clock.owner_id, assignee_id: clock.owner_id, team_id: clock.team_id },
  }))
  await appendEvents(trx, events)
  return clocks.length
}
