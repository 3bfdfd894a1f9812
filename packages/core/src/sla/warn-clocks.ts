import {
  appendEvents,
  listConversationsByIds,
  lockClocksToWarn,
  type NewEvent,
  type SlaClock,
  setWarnings,
  type Trx,
} from '@parley/db'
import { type CompiledCalendar, nextWarning, SYSTEM } from '@parley/domain'
import { creditOf } from '../credit.ts'
import { aboutClock } from './clock-events.ts'
import { hoursOf } from './promises.ts'

/**
 * Tells which clocks are about to fall due, up to `limit` of them. One that nobody looked at for long tells every warning
 * that has come up since. Returns how many clocks there were.
 */
export async function warnClocks(trx: Trx, now: Date, limit: number): Promise<number> {
  const clocks = await lockClocksToWarn(trx, now, limit)
  const ids = [...new Set(clocks.map(clock => clock.conversation_id))]
  const conversations = new Map((await listConversationsByIds(trx, ids)).map(row => [row.id, row]))
  const events: NewEvent[] = []
  const left = []
  for (const clock of clocks) {
    const { told, warn_at } = warningsUntil(await hoursOf(trx, clock), clock, now)
    left.push({ id: clock.id, told: told.length, warn_at })
    const { conversation_id } = clock
    const about = { ...aboutClock(clock), ...creditOf(conversations.get(conversation_id)!) }
    for (const data of told) {
      events.push({
        type: 'sla.warned',
        at: now,
        actor: SYSTEM,
        conversation_id,
        data: { ...about, ...data },
      })
    }
  }
  await setWarnings(trx, left)
  await appendEvents(trx, events)
  return clocks.length
}

function warningsUntil(calendar: CompiledCalendar, clock: SlaClock, now: Date) {
  const told: { before_seconds: number; warn_at: Date }[] = []
  for (let left = clock.warnings; ; left = left.slice(1)) {
    const next = nextWarning(calendar, clock, left)
    if (!next || next.at > now) return { told, warn_at: next?.at ?? null }
    told.push({ before_seconds: next.before_seconds, warn_at: next.at })
  }
}
