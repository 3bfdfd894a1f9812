import { findCalendar, findPolicy, listClockPauses, listClocks, type SlaClock, type Trx } from '@parley/db'
import { alwaysOpen, type Calendar, type Explanation, explainClock } from '@parley/domain'
import { isPromised, promiseOf } from './promises.ts'

/** The clocks of a conversation, in the order in which they started, each with how it came to its due time. */
export async function explainClocks(
  trx: Trx,
  conversation_id: string,
  now: Date,
): Promise<(SlaClock & { explanation: Explanation })[]> {
  const [clocks, pauses] = await Promise.all([listClocks(trx, conversation_id), listClockPauses(trx, conversation_id)])
  const explained = []
  for (const clock of clocks) {
    const theirs = pauses.filter(pause => pause.clock_id === clock.id).map(({ from, until }) => ({ from, until }))
    const { names, calendar } = await termsOf(trx, clock)
    explained.push({ ...clock, explanation: explainClock(clock, names, calendar, theirs, now) })
  }
  return explained
}

async function termsOf(trx: Trx, clock: SlaClock) {
  if (!isPromised(clock)) return { names: null, calendar: alwaysOpen('UTC') }
  const { policy_id, policy_version, calendar_id, calendar_version } = clock
  const [promise, policy, calendar] = await Promise.all([
    promiseOf(trx, clock),
    findPolicy(trx, policy_id),
    findCalendar(trx, calendar_id),
  ])
  const names = { policy: policy!.name, policy_version, calendar: calendar!.name, calendar_version }
  return { names, calendar: promise.calendar as Calendar }
}
