import type pg from 'pg'
import { dropIndexes } from './drop-indexes.ts'
import { uuidOf } from './made-ids.ts'
import type { BenchDatabase } from './servers.ts'

const SLICE = 500_000
const MONTHS_APART_BY = ['channel_id', 'team_id', 'user_id', 'policy_id', 'priority']
/** Of twenty messages four begin a conversation, which has a first response and a resolution, and three another wait. */
export const CLOCKS_OF_MESSAGE = 11 / 20
const [CHANNELS, INBOXES, PEOPLE, TEAMS, POSTS] = [10, 3, 40, 4, 20_000]

/** Seconds by a bell of their logarithms, of which half are below eleven minutes and one in a hundred is a day and more. */
const LOG_SECONDS = '6.5 + 3.6 * (random() + random() + random() + random() - 2)'
const NONE = `'00000000-0000-0000-0000-000000000000'::uuid`

/**
 * A year that ends now, as it is counted of so many messages: clocks of first and next responses and of resolutions, most
 * of them started by day; seven of eight met, one in eleven breached. Their sums are made of the clocks of the cohort
 * `started`. Takes a superuser.
 */
export async function fillCountedYear(
  client: pg.Client,
  { workspace_id, inbox_id }: BenchDatabase,
  messages: number,
  { from, to }: { from: Date; to: Date },
  say: (line: string) => void,
): Promise<void> {
  await client.query(
    "set session_replication_role = replica; set synchronous_commit = off; set maintenance_work_mem = '512MB'",
  )
  await client.query("select setseed(0.5); set work_mem = '256MB'")
  const count = Math.floor(messages * CLOCKS_OF_MESSAGE)
  const indexes = await dropIndexes(client, ['report_clocks'])
  const workspace = `'${workspace_id}'::uuid`
  const days = (to.getTime() - from.getTime()) / 86_400_000
  await client.query(`insert into report_builds (workspace_id, build, begun_at) values (${workspace}, 1, now())`)
  // Level with the log, whatever is written to it.
  await client.query(`insert into feed_cursors (workspace_id, consumer, xact, seq, moved_at)
    values (${workspace}, 'sla_reports', '9223372036854775807', 0, now())`)
  for (let first = 1; first <= count; first += SLICE) {
    const last = Math.min(count, first + SLICE - 1)
    await client.query(`
      insert into report_clocks (workspace_id, build, id, conversation_id, metric, policy_id, priority, inbox_id, channel_id, post_id,
        team_id, user_id, tag_ids, started_at, due_at, fulfilled_at, outcome, cancelled_reason, calendar_ms, business_ms)
      select ${workspace}, 1, ${uuidOf(3, 'n')}, ${uuidOf(2, `1 + n / 3`)},
        case when n % 11 < 4 then 'first_response' when n % 11 < 7 then 'next_response' else 'resolution' end,
        ${uuidOf(8, '1 + n % 3')}, case when n % 40 = 0 then 'urgent' when n % 9 = 0 then 'high' else 'normal' end,
        case channel % ${INBOXES} when 0 then '${inbox_id}'::uuid when 1 then ${uuidOf(9, '1')} else ${uuidOf(9, '2')} end,
        ${uuidOf(1, 'channel')}, case when n % 10 < 7 then ${uuidOf(7, `(n * ${POSTS}::bigint / ${count})::int`)} end,
        case when decided then ${uuidOf(6, `person % ${TEAMS}`)} end, case when decided then ${uuidOf(4, 'person')} end, '{}',
        started_at, started_at + interval '4 hours', case when fulfilled then started_at + interval '1 second' * seconds end, outcome,
        case when outcome in ('cancelled', 'abandoned') then 'dismissed' end,
        case when fulfilled then (seconds * 1000)::bigint end,
        case when fulfilled then (seconds * 1000 * open_part)::bigint end
      from (select *, outcome in ('met', 'late') as fulfilled, outcome not in ('cancelled', 'running') as decided
        from (select n, floor(random() * ${CHANNELS})::int as channel, floor(random() * ${PEOPLE})::int as person,
            exp(${LOG_SECONDS}) as seconds, case when random() < 0.6 then 1 else 0.2 + 0.6 * random() end as open_part,
            '${from.toISOString()}'::timestamptz + interval '1 day' * (n::bigint * ${days} / ${count})
              + interval '1 hour' * (12 * (random() + random()) - 12) as started_at,
            case when n > ${count} - 2000 then 'running'
              else (array['met', 'late', 'cancelled', 'abandoned', 'overdue'])[width_bucket(random(), array[0, 0.86, 0.94, 0.99, 0.998])]
            end as outcome
          from generate_series(${first}, ${last}) n) drawn) clocks`)
    say(`summary: ${last} of ${count} clocks are there`)
  }
  for (const [minutes, unit] of Object.entries({ 15: "interval '15 minutes'", 60: "interval '1 hour'" })) {
    await client.query(`
      insert into report_clock_sums (workspace_id, build, cohort, minutes, apart_by, tagged, metric, at, inbox_id, channel_id, post_id, team_id, user_id,
        tag_id, policy_id, priority, outcome, calendar_bucket, business_bucket, count, calendar_total, business_total)
      select ${workspace}, 1, 'started', ${minutes}, '', false, metric, date_bin(${unit}, started_at, '2000-01-01Z'), inbox_id, channel_id,
        coalesce(post_id, ${NONE}), coalesce(team_id, ${NONE}), coalesce(user_id, ${NONE}), ${NONE}, policy_id, priority, outcome,
        ${bucket('calendar_ms')}, ${bucket('business_ms')}, count(*), coalesce(sum(calendar_ms), 0), coalesce(sum(business_ms), 0)
      from report_clocks
      group by metric, date_bin(${unit}, started_at, '2000-01-01Z'), inbox_id, channel_id, post_id, team_id, user_id, policy_id, priority,
        outcome, ${bucket('calendar_ms')}, ${bucket('business_ms')}`)
    say(`summary: the sums of ${minutes} minutes are there`)
  }
  for (const apart_by of ['', ...MONTHS_APART_BY]) {
    await sumMonths(client, workspace, apart_by, { what: 'calendar', outcome: 'outcome', where: '' })
    await sumMonths(client, workspace, apart_by, {
      ...{ what: 'business', outcome: "''::text", where: 'where business_ms is not null' },
    })
  }
  say('summary: the sums of months are there')
  for (const definition of indexes) await client.query(definition)
  say('summary: the indexes are there')
  await client.query('vacuum (analyze)')
}

const bucket = (ms: string) =>
  `case when ${ms} is null then -1 when ${ms} < 1 then 0 else ceil(ln(${ms}) / ln(1.01 / 0.99)) + 1 end`

type Months = { what: 'calendar' | 'business'; outcome: string; where: string }

/** The sums of months, told apart by inbox and one thing more. */
async function sumMonths(client: pg.Client, workspace: string, apart_by: string, { what, outcome, where }: Months) {
  const columns = ['channel_id', 'team_id', 'user_id', 'policy_id'].map(name =>
    name === apart_by ? `coalesce(${name}, ${NONE})` : NONE,
  )
  const priority = apart_by === 'priority' ? 'priority' : "''::text"
  const [calendar, business] = ['calendar', 'business'].map(kind =>
    kind === what ? [bucket(`${kind}_ms`), `coalesce(sum(${kind}_ms), 0)`] : ['-1', '0'],
  ) as [[string, string], [string, string]]
  await client.query(`
    insert into report_clock_sums (workspace_id, build, cohort, minutes, apart_by, tagged, metric, at, inbox_id, post_id, tag_id,
      channel_id, team_id, user_id, policy_id, priority, outcome, calendar_bucket, business_bucket, count, calendar_total, business_total)
    select ${workspace}, 1, 'started', 43200, '${apart_by}', false, metric, date_trunc('month', started_at, 'UTC'), inbox_id, ${NONE}, ${NONE},
      ${columns.join(', ')}, ${priority}, ${outcome}, ${calendar[0]}, ${business[0]}, count(*), ${calendar[1]}, ${business[1]}
    from report_clocks ${where}
    group by metric, date_trunc('month', started_at, 'UTC'), inbox_id, ${outcome}, ${bucket(`${what}_ms`)}${apart_by && `, ${apart_by}`}`)
}
