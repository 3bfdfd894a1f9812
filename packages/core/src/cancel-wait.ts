import { closeWait, lockRunningClocks, type NewEvent, type Trx, updateClock, type Wait } from '@parley/db'
import type { Actor } from '@parley/domain'
import { aboutClock } from './sla/clock-events.ts'
import { noticeBreach } from './sla/notice-breach.ts'
import { cancelWindow } from './sla/window-clocks.ts'

/** Why nobody waits any more although nobody answered; `merged_into_id`: the wait that goes on instead. */
export type Cancellation = {
  reason: 'customer_deleted' | 'dismissed' | 'hidden' | 'merged' | 'reply_bounced' | 'spam'
  merged_into_id?: string
}

/**
 * Ends a wait that nobody will answer, and its clocks.
 * @param conversation_id where that is told
 * @returns what to log
 */
export async function cancelWait(
  trx: Trx,
  wait: Pick<Wait, 'id'>,
  { reason, merged_into_id }: Cancellation,
  conversation_id: string,
  actor: Actor,
  now: Date,
): Promise<NewEvent[]> {
  const pointer = merged_into_id ? { merged_into_id } : {}
  await closeWait(trx, wait.id, { closed_at: now, cancelled_reason: reason, ...pointer })
  const { promised, windows } = await lockRunningClocks(trx, wait.id)
  const ended: NewEvent[] = []
  for (const window of windows) ended.push(...(await cancelWindow(trx, window, reason, now)))
  if (!promised) return ended
  const { clock, events } = await noticeBreach(trx, promised, reason, now)
  await updateClock(trx, clock.id, { state: 'cancelled', cancelled_at: now, cancelled_reason: reason })
  const data = { ...aboutClock(clock), reason }
  const told = merged_into_id ? { ...data, wait_id: wait.id, merged_into_id } : data
  return [...ended, ...events, { type: 'sla.cancelled', at: now, actor, conversation_id, data: told }]
}
