import type { SlaClock } from '@parley/db'

/** What every event of a clock says of it, as it is then. */
export const aboutClock = ({
  id: clock_id,
  contact_id,
  inbox_id,
  metric,
  policy_id,
  policy_version,
  priority,
  started_at,
  target_seconds,
  due_at,
}: Pick<
  SlaClock,
  | 'id'
  | 'contact_id'
  | 'inbox_id'
  | 'metric'
  | 'policy_id'
  | 'policy_version'
  | 'priority'
  | 'started_at'
  | 'target_seconds'
  | 'due_at'
>) => ({
  ...{
    clock_id,
    contact_id,
    inbox_id,
    metric,
    policy_id,
    policy_version,
    priority,
    started_at,
    target_seconds,
    due_at,
  },
})
