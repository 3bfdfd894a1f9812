import type { SlaClock } from '@parley/db'
import { checkCauses } from './check-causes.ts'
import { countFigures, type PromiseOf } from './count-figures.ts'
import { type ClockDifference, differencesFromLog, differencesInFigures, isSame } from './differences.ts'
import { foldClocks, type LoggedClock } from './fold-clocks.ts'
import type { LoggedEvent } from './logged-events.ts'

/** What clocks are recomputed with. */
export type Recomputation = {
  /** Of every conversation that messages or waits were moved between, in the order in which they happened. */
  events: LoggedEvent[]
  /** The clocks of these conversations. */
  stored: SlaClock[]
  promiseOf: PromiseOf
  /** When a channel was connected: nobody waits since before that. */
  connectedAt: (channel_id: string) => Date | undefined
  now: Date
}

/** A worker records a breach within a second; for so long none is missed where it does not. */
const DETECTED_WITHIN_MS = 5 * 60_000
/** What networks take back in any order may leave a breach untold that nobody had recorded by then. */
const FROM_NETWORKS: unknown[] = ['customer_deleted', 'older_message', 'reply_bounced', 'window_gone']

/**
 * Recomputes clocks from their events, and says in what they differ from what is stored: as the events tell, as the calendars and
 * policies of their versions count, and by what has brought it about. Nothing where all of it is the same.
 */
export function recomputeClocks(
  { events, stored, promiseOf, connectedAt, now }: Recomputation,
  conversation_id: string,
): ClockDifference[] {
  const told = foldClocks(events)
  const fromLog = differencesFromLog(stored, told, conversation_id)
  const counted = foldClocks(events, countFigures(promiseOf)).map(clock => ({ ...clock, ...breachOf(clock, now) }))
  // What the log denies already need not be counted to be wrong.
  const inFigures = differencesInFigures(stored, counted).filter(
    one => !fromLog.some(other => isOneAndSame(one, other)),
  )
  return [...fromLog, ...inFigures, ...checkCauses(events, told, connectedAt, promiseOf)]
}

/** A breach happens at the due time whether or not somebody looks, and what came by then is none. */
function breachOf(clock: LoggedClock, now: Date): Pick<LoggedClock, 'breached_at'> {
  const { state, due_at, paused_at, fulfilled_at, cancelled_at, cancelled_reason, breached_at } = clock
  if (!due_at || paused_at || state === 'paused') return { breached_at }
  const judged = (end: Date | null | undefined) => (end && end > due_at ? due_at : null)
  if (state === 'fulfilled') return { breached_at: judged(fulfilled_at) }
  if (breached_at) return { breached_at: due_at }
  if (state === 'running') return { breached_at: judged(new Date(now.getTime() - DETECTED_WITHIN_MS)) }
  return { breached_at: FROM_NETWORKS.includes(cancelled_reason) ? null : judged(cancelled_at) }
}

const isOneAndSame = (one: ClockDifference, other: ClockDifference) =>
  one.clock_id === other.clock_id && one.field === other.field && isSame(one.recomputed, other.recomputed)
