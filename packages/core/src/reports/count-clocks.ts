import { isDeepStrictEqual } from 'node:util'
import {
  addToSums,
  type CountableClock,
  type CountedClock,
  type EventRow,
  getReportBuild,
  listCountableClocks,
  listCountedClocks,
  type NamedClocks,
  putCountedClocks,
  type Trx,
} from '@parley/db'
import { hoursOf } from '../sla/promises.ts'
import { countedClock, sumsOfClock } from './clocks-of.ts'
import { changesOf } from './sum-changes.ts'

/** The consumer of the log that counts clocks for the SLA summary. */
export const CLOCK_REPORTS_FEED = 'sla_reports'

/**
 * Brings what the SLA summary counts level with what these events are about. Clocks are read as they stand now, so that
 * counting an event twice or late is the same as once.
 */
export async function countClocks(trx: Trx, events: EventRow[], now: Date): Promise<void> {
  const named = namedIn(events)
  if (named.clock_ids.length === 0 && named.conversation_ids.length === 0) return
  const clocks = await listCountableClocks(trx, named)
  const build = await getReportBuild(trx, now)
  const known = await listCountedClocks(
    trx,
    build,
    clocks.map(({ id }) => id),
  )
  const before = new Map(known.map(clock => [clock.id, clock]))
  const after: CountedClock[] = []
  for (const clock of clocks) after.push(await countedOf(trx, clock))
  const changed = after.filter(clock => !isDeepStrictEqual(before.get(clock.id), clock))
  const taken = changed.flatMap(({ id }) => before.get(id) ?? [])
  await putCountedClocks(trx, build, changed)
  const amounts = ['count', 'calendar_total', 'business_total'] as const
  await addToSums(trx, 'report_clock_sums', build, changesOf(sumsOfClock, amounts, taken, changed))
}

async function countedOf(trx: Trx, clock: CountableClock): Promise<CountedClock> {
  return countedClock(clock, await hoursOf(trx, clock))
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What events are about; whatever happens to a conversation may concern its clocks: its tags, its post, what it is merged with. */
function namedIn(events: EventRow[]): NamedClocks {
  const [clock_ids, conversation_ids] = [new Set<string>(), new Set<string>()]
  const add = (ids: Set<string>, value: unknown) => {
    if (typeof value === 'string' && UUID.test(value)) ids.add(value)
  }
  for (const { type, conversation_id, data } of events) {
    const told = (data ?? {}) as Record<string, unknown>
    if (type.startsWith('sla.')) add(clock_ids, told.clock_id)
    if (!type.startsWith('conversation.')) continue
    for (const id of [conversation_id, told.from_id, told.into_id]) add(conversation_ids, id)
  }
  return { clock_ids: [...clock_ids], conversation_ids: [...conversation_ids] }
}
