import {
  closeWait,
  lockOpenWait,
  lockWaitsEndedBy,
  type NewEvent,
  openWaitAgain,
  resumeClockOf,
  type Trx,
  type Wait,
} from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { moveWait } from './move-wait.ts'

/**
 * Lets the customer whom a reply had answered wait from where they began: it did not reach them. Where they have written
 * since, that wait begins as early instead. A breach that is recorded stays.
 */
export async function reopenWait(trx: Trx, reply_id: string, now: Date): Promise<NewEvent[]> {
  const events: NewEvent[] = []
  for (const ended of await lockWaitsEndedBy(trx, reply_id)) events.push(...(await reopen(trx, ended, reply_id, now)))
  return events
}

async function reopen(trx: Trx, ended: Wait, reply_id: string, now: Date): Promise<NewEvent[]> {
  const { conversation_id, contact_id, opened_at, opened_by_message_id } = ended
  const later = await lockOpenWait(trx, { conversation_id, contact_id })
  if (later) {
    await closeWait(trx, ended.id, {
      closed_at: ended.closed_at!,
      closed_by_message_id: null,
      cancelled_reason: 'reply_bounced',
    })
    return (await moveWait(trx, later, opened_by_message_id, opened_at, 'reply_bounced', now)).events
  }
  await openWaitAgain(trx, ended.id)
  const clock = await resumeClockOf(trx, ended.id, reply_id)
  if (!clock) return []
  const data = { clock_id: clock.id, metric: clock.metric, reason: 'reply_bounced', due_at: clock.due_at }
  return [{ type: 'sla.retargeted', at: now, actor: SYSTEM, conversation_id, data }]
}
