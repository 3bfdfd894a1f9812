import { findConversation, type NewEvent, type SlaClock, type Trx, writeClocks } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { ClockStepper, isOverdue } from './step-clocks.ts'

/**
 * Records that a clock has fallen due, before anything else becomes of it: a breach happens at its deadline, whether a tick
 * has seen it or not. Returns the clock as it is then, and what to log.
 */
export async function noticeBreach(
  trx: Trx,
  clock: SlaClock,
  now: Date,
): Promise<{ clock: SlaClock; events: NewEvent[] }> {
  if (!isOverdue(clock, now)) return { clock, events: [] }
  const stepper = new ClockStepper((await findConversation(trx, clock.conversation_id))!, SYSTEM, now)
  const breached = stepper.breach(clock)
  await writeClocks(trx, stepper.steps.changed)
  return { clock: breached, events: stepper.steps.events }
}
