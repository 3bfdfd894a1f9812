import type { SlaClock } from '@parley/db'

const TOLD = [
  ...(['contact_id', 'inbox_id', 'metric', 'policy_id', 'policy_version'] as const),
  ...(['priority', 'started_at', 'target_seconds', 'due_at'] as const),
]

/** What every event of a clock says of it, as it is then. */
export const aboutClock = (
  clock: Pick<SlaClock, 'id' | 'message_id' | (typeof TOLD)[number]>,
): Record<string, unknown> => ({
  clock_id: clock.id,
  ...(clock.message_id ? { message_id: clock.message_id } : {}),
  ...Object.fromEntries(TOLD.map(field => [field, clock[field]])),
})
