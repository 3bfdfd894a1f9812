import { type Conversation, type NewEvent, type SlaClock, type Trx, updateClock } from '@parley/db'
import { type Actor, isBreached, SYSTEM } from '@parley/domain'
import { creditOf } from '../credit.ts'
import { aboutClock } from './clock-events.ts'

/**
 * Ends a clock because what it measured came about at an instant that may lie behind us: the network may have done it in
 * time and told us late, and then the promise was kept. Late is both, breached and fulfilled. Returns what to log.
 * @param by when it came about, and by which message
 */
export async function fulfilClock(
  trx: Trx,
  clock: SlaClock,
  conversation: Conversation,
  by: { at: Date; message_id: string | null },
  now: Date,
  actor: Actor = SYSTEM,
): Promise<NewEvent[]> {
  const late = isBreached(clock.due_at, by.at)
  await updateClock(trx, clock.id, {
    state: 'fulfilled',
    fulfilled_at: by.at,
    fulfilled_by_message_id: by.message_id,
    breached_at: late ? clock.due_at : null,
    detected_at: late ? (clock.detected_at ?? now) : null,
    // Of a breach that is recorded, they are whose it was.
    ...(clock.breached_at ? {} : { owner_id: conversation.assignee_id, team_id: conversation.team_id }),
  })
  const data = { ...aboutClock(clock), ...creditOf(conversation) }
  const event = { at: now, actor, conversation_id: conversation.id }
  const breached = late && !clock.breached_at ? [{ ...event, type: 'sla.breached' as const, data }] : []
  const outcome = { fulfilled_at: by.at, fulfilled_by_message_id: by.message_id, late }
  return [...breached, { ...event, type: 'sla.fulfilled', data: { ...data, ...outcome } }]
}
