import type { SlaClock } from '@parley/db'

const TOLD = [
  ...(['contact_id', 'inbox_id', 'metric', 'policy_id', 'policy_version'] as const),
  ...(['priority', 'started_at', 'target_seconds', 'due_at'] as const),
]

/** What every event of a clock says of it, as it is then. */
export const aboutClock = (
  clock: Pick<SlaClock, 'id' | 'message_id' | (typeof TOLD)[number]> & Partial<Pick<SlaClock, 'top_level_since'>>,
): Record<string, unknown> => ({
  clock_id: clock.id,
  ...(clock.message_id ? { message_id: clock.message_id } : {}),
  ...(clock.top_level_since ? { top_level_since: clock.top_level_since } : {}),
  ...Object.fromEntries(TOLD.map(field => [field, clock[field]])),
})

const STARTED = [
  ...(['wait_id', 'ordinal', 'calendar_id', 'calendar_version'] as const),
  ...(['state', 'counted_ms', 'running_since', 'paused_at', 'paused_ms', 'team_id', 'cause'] as const),
]
/** As most clocks start. */
const FROM_THE_START = {
  ...{ wait_id: null, state: 'running', counted_ms: 0, running_since: null, paused_at: null, paused_ms: 0 },
  ...{ team_id: null, cause: null },
}

/** What the start of a clock says of it beside that: all that its row has then, without what most start with. */
export const asStarted = (
  clock: Parameters<typeof aboutClock>[0] & Partial<Pick<SlaClock, (typeof STARTED)[number]>>,
): Record<string, unknown> => {
  const told = STARTED.filter(field => clock[field] !== undefined && clock[field] !== FROM_THE_START[field as never])
  return { ...aboutClock(clock), ...Object.fromEntries(told.map(field => [field, clock[field]])) }
}
