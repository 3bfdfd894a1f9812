import { findConversation, type NewEvent, type SlaClock, type Trx, writeClocks } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { ClockStepper, isOverdue } from './step-clocks.ts'

/** What of a wait comes from its network, in any order: it makes the same of a clock whenever it reaches us. */
export const FROM_NETWORKS = ['customer_deleted', 'older_message', 'reply_bounced', 'window_gone']

/**
 * Records that a clock has fallen due, before somebody here sets aside what it runs for: a breach happens at its deadline,
 * whether a tick has seen it or not. Returns the clock as it is then, and what to log.
 */
export async function noticeBreach(
  trx: Trx,
  clock: SlaClock,
  reason: string,
  now: Date,
): Promise<{ clock: SlaClock; events: NewEvent[] }> {
  if (!isOverdue(clock, now) || FROM_NETWORKS.includes(reason)) return { clock, events: [] }
  const stepper = new ClockStepper((await findConversation(trx, clock.conversation_id))!, SYSTEM, now)
  const breached = stepper.breach(clock)
  await writeClocks(trx, stepper.steps.changed)
  return { clock: breached, events: stepper.steps.events }
}
