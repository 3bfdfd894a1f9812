import { lockRunningClocks, type NewEvent, setWaitOpening, type Trx, updateClock, type Wait } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { aboutClock } from './sla/clock-events.ts'
import { noticeBreach } from './sla/notice-breach.ts'
import { compiledCalendar, isPromised, promiseOf, timesOf } from './sla/promises.ts'

/** `due_at`: when its promise falls due now; null where none runs. */
export type MovedWait = { due_at: Date | null; events: NewEvent[] }

/**
 * Lets an open wait begin at another message: an older one arrived late, the one that opened it was deleted, dismissed or
 * hidden, or the answer to an older one came back. Its running clock follows under the promise it was started with; a
 * breach that is recorded stays.
 */
export async function moveWait(
  trx: Trx,
  wait: Wait,
  message_id: string,
  opened_at: Date,
  reason: 'older_message' | 'customer_deleted' | 'dismissed' | 'hidden' | 'spam' | 'reply_bounced',
  now: Date,
): Promise<MovedWait> {
  await setWaitOpening(trx, wait.id, opened_at, message_id)
  const { promised: running } = await lockRunningClocks(trx, wait.id)
  if (!running || !isPromised(running)) return { due_at: null, events: [] }
  const { clock, events } = await noticeBreach(trx, running, reason, now)
  if (clock.breached_at) return { due_at: clock.due_at, events }
  const promise = await promiseOf(trx, running)
  const warnings = promise.targets[clock.metric]?.warn_before_seconds ?? []
  const times = timesOf(compiledCalendar(promise, promise.calendar), { ...clock, started_at: opened_at }, warnings)
  // A policy that had its say from the start has it from there.
  const { top_level_since } = clock
  const fromStart = top_level_since?.getTime() === clock.started_at.getTime()
  const since = fromStart ? { top_level_since: opened_at } : {}
  const moved = await updateClock(trx, clock.id, { started_at: opened_at, ...times, ...since })
  const { conversation_id } = wait
  const data = { ...aboutClock(moved), reason }
  const event = { type: 'sla.retargeted' as const, at: now, actor: SYSTEM, conversation_id, data }
  return { due_at: moved.due_at, events: [{ ...event, previous: { due_at: clock.due_at } }] }
}
