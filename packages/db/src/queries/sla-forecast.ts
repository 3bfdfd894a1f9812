import { FORECAST_STEP_MS, RESPONSE_METRICS } from '@parley/domain'
import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { SlaPromise } from './sla-policies.ts'

const RESPONSES = [...RESPONSE_METRICS]

/** How many customers of an inbox wait whose answer falls due in one of the steps from now on; 0: it is late already. */
export type WaitingInbox = { inbox_id: string; step: number; count: number }

/** Who waits under a promise that falls due before `until`, as the summary counts it. */
export async function listWaitingBySteps(
  trx: Trx,
  inbox_ids: string[] | null,
  now: Date,
  until: Date,
): Promise<WaitingInbox[]> {
  const { rows } = await sql<WaitingInbox>`
    select inbox_id, greatest(0, ceil(extract(epoch from due_at - ${now}::timestamptz) * 1000 / ${FORECAST_STEP_MS}))::int as step,
      count(*)::int as count
    from report_clocks
    where build = (select build from report_builds) and outcome in ('running', 'overdue') and due_at <= ${until}
      and metric = any(${RESPONSES}) and (${inbox_ids}::uuid[] is null or inbox_id = any(${inbox_ids}::uuid[]))
    group by 1, 2 order by 1, 2`.execute(trx)
  return rows
}

/** How many wait under a promise, whenever that falls due. */
export async function countWaiting(trx: Trx, inbox_ids: string[] | null): Promise<Map<string, number>> {
  const { rows } = await sql<{ inbox_id: string; count: number }>`
    select inbox_id, count(*)::int as count from report_clocks
    where build = (select build from report_builds) and outcome in ('running', 'overdue') and metric = any(${RESPONSES})
      and (${inbox_ids}::uuid[] is null or inbox_id = any(${inbox_ids}::uuid[]))
    group by 1`.execute(trx)
  return new Map(rows.map(({ inbox_id, count }) => [inbox_id, count]))
}

/** What most of the customers of an inbox were promised who wait now or began to in a period, and within how many seconds. */
export type UsualPromise = Pick<SlaPromise, 'policy_id' | 'policy_version' | 'calendar_id' | 'calendar_version'> & {
  inbox_id: string
  target_seconds: number
}

export async function listUsualPromises(
  trx: Trx,
  inbox_ids: string[] | null,
  { from, to }: { from: Date; to: Date },
): Promise<UsualPromise[]> {
  const what = sql`inbox_id, policy_id, policy_version, calendar_id, calendar_version, target_seconds`
  const theirs = sql`metric = any(${RESPONSES}) and (${inbox_ids}::uuid[] is null or inbox_id = any(${inbox_ids}::uuid[]))`
  const { rows } = await sql<UsualPromise>`
    select distinct on (inbox_id) ${what}
    from (select ${what} from sla_clocks where started_at >= ${from} and started_at < ${to} and ${theirs}
      union all select ${what} from sla_clocks where state = 'running' and breached_at is null and ${theirs}) promised
    group by ${what}
    order by inbox_id, count(*) desc, policy_version desc, policy_id, calendar_id, calendar_version desc, target_seconds`.execute(
    trx,
  )
  return rows
}
