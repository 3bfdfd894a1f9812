import type { SlaClock } from '@parley/db'
import type { DifferenceLevel } from '@parley/domain'
import type { Figures, LoggedClock } from './fold-clocks.ts'

/** What is stored of a clock, and what its events make of it. */
export type ClockDifference = {
  conversation_id: string
  clock_id: string
  level: DifferenceLevel
  field: string
  stored: unknown
  recomputed: unknown
}

const TOLD = [
  ...([
    'conversation_id',
    'contact_id',
    'wait_id',
    'message_id',
    'inbox_id',
    'metric',
    'ordinal',
    'policy_id',
  ] as const),
  ...(['policy_version', 'calendar_id', 'calendar_version', 'started_at', 'target_seconds', 'due_at'] as const),
  ...(['state', 'counted_ms', 'running_since', 'paused_at', 'paused_ms', 'priority', 'cause'] as const),
  'top_level_since' as const,
  ...(['breached_at', 'detected_at', 'fulfilled_at', 'fulfilled_by_message_id'] as const),
  ...(['cancelled_at', 'cancelled_reason', 'owner_id', 'team_id'] as const),
] satisfies (keyof SlaClock)[]
const COUNTED = [
  ...(['target_seconds', 'due_at', 'counted_ms', 'running_since', 'paused_ms'] as const),
  ...(['breached_at', 'warnings', 'warn_at', 'top_level_since'] as const),
] satisfies (keyof Figures)[]

/** How rows differ from what the log tells of them. A clock is never deleted, nor does one start that is not told of. */
export function differencesFromLog(
  stored: SlaClock[],
  told: LoggedClock[],
  conversation_id: string,
): ClockDifference[] {
  const missing = told
    .filter(({ id }) => !stored.some(clock => clock.id === id))
    .map(clock => ({ ...placeOf(clock, conversation_id), field: 'id', stored: null, recomputed: clock.id }))
  const unknown = stored
    .filter(({ id }) => !told.some(clock => clock.id === id))
    .map(clock => ({ ...placeOf(clock, conversation_id), field: 'id', stored: clock.id, recomputed: null }))
  const others = pairs(stored, told).flatMap(([row, clock]) => compare(row, clock, TOLD))
  return [...missing, ...unknown, ...others].map(difference => ({ ...difference, level: 'log' as const }))
}

/** How rows differ from what is counted anew. */
export function differencesInFigures(stored: SlaClock[], counted: LoggedClock[]): ClockDifference[] {
  return pairs(stored, counted)
    .flatMap(([row, clock]) => compare(row, clock, COUNTED))
    .map(difference => ({ ...difference, level: 'figures' as const }))
}

const pairs = (stored: SlaClock[], clocks: LoggedClock[]) =>
  stored.flatMap(row => {
    const clock = clocks.find(({ id }) => id === row.id)
    return clock ? [[row, clock] as const] : []
  })

const placeOf = ({ id, conversation_id }: LoggedClock, otherwise: string) => ({
  clock_id: id,
  conversation_id: conversation_id ?? otherwise,
})

function compare(row: SlaClock, clock: LoggedClock, fields: readonly (keyof SlaClock)[]) {
  return fields
    .filter(field => clock[field] !== undefined && !isSame(row[field], clock[field]))
    .map(field => ({
      ...placeOf(row, row.conversation_id),
      ...{ field, stored: row[field], recomputed: clock[field] },
    }))
}

export const isSame = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other)
