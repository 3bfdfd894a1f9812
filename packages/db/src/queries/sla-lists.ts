import type { SlaMetric } from '@parley/domain'
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { SlaClock } from './sla-clocks.ts'
import type { Reach } from './visibility.ts'

/** A clock with what a lead needs to know of its conversation, as that is now. */
export type ListedClock = SlaClock & {
  conversation: {
    id: string
    number: number
    subject: string | null
    status: string
    priority: string
    inbox_id: string
    channel_id: string
    assignee_id: string | null
    team_id: string | null
    waiting_since: Date | null
  }
  /** How late the network and we were with the message that began the wait; null for what nobody's wait began. */
  network_lag_ms: number | null
  ingest_lag_ms: number | null
}

export type ClockFilter = {
  metric?: SlaMetric[] | undefined
  inbox_id?: string[] | undefined
  channel_id?: string | undefined
  policy_id?: string | undefined
  /** Null: nobody's. */
  assignee_id?: string | null | undefined
  team_id?: string | null | undefined
}
type Page = { limit: number; after?: { at: Date; id: string } | undefined }

/** Running clocks that have not fallen due, the next to fall due first. `before`: those that fall due by then. */
export async function listAtRisk(
  trx: Trx,
  { inbox_ids }: Reach,
  filter: ClockFilter & { before?: Date | undefined },
  now: Date,
  { limit, after }: Page,
): Promise<ListedClock[]> {
  const conditions = [sql`k.state = 'running' and k.breached_at is null and k.due_at >= ${now}`, within(inbox_ids)]
  if (filter.before) conditions.push(sql`k.due_at < ${filter.before}`)
  if (after) conditions.push(sql`(k.due_at, k.id) > (${after.at}::timestamptz, ${after.id}::uuid)`)
  return list(trx, [...conditions, ...conditionsOf(filter, 'now')], sql`k.due_at, k.id`, limit)
}

/**
 * Clocks that fell due in [from, to) before what they promise had come, the latest first. Whose they were is who owned the
 * conversation then.
 */
export async function listBreaches(
  trx: Trx,
  { inbox_ids }: Reach,
  filter: ClockFilter & { from: Date; to: Date },
  { limit, after }: Page,
): Promise<ListedClock[]> {
  const { from, to } = filter
  const conditions = [sql`k.breached_at >= ${from} and k.breached_at < ${to}`, within(inbox_ids)]
  if (after) conditions.push(sql`(k.breached_at, k.id) < (${after.at}::timestamptz, ${after.id}::uuid)`)
  return list(trx, [...conditions, ...conditionsOf(filter, 'then')], sql`k.breached_at desc, k.id desc`, limit)
}

async function list(
  trx: Trx,
  conditions: RawBuilder<unknown>[],
  order: RawBuilder<unknown>,
  limit: number,
): Promise<ListedClock[]> {
  const { rows } = await sql<ListedClock>`
    select k.*, w.network_lag_ms, w.ingest_lag_ms, to_jsonb(c) as conversation
    from sla_clocks k
    cross join lateral (select id, number, subject, status, priority, inbox_id, channel_id, assignee_id, team_id, waiting_since
      from conversations where id = k.conversation_id limit 1) c
    left join waits w on w.workspace_id = k.workspace_id and w.id = k.wait_id
    where ${sql.join(conditions, sql` and `)}
    order by ${order} limit ${limit}`.execute(trx)
  return rows.map(row => ({ ...row, conversation: withDates(row.conversation) }))
}

// Instants in JSON are texts.
const withDates = (conversation: ListedClock['conversation']) => ({
  ...conversation,
  waiting_since: conversation.waiting_since && new Date(conversation.waiting_since),
})

const within = (inbox_ids: string[] | null) =>
  sql`(${inbox_ids}::uuid[] is null or k.inbox_id = any(${inbox_ids}::uuid[]))`

function conditionsOf(filter: ClockFilter, owner: 'now' | 'then'): RawBuilder<unknown>[] {
  const { metric, inbox_id, channel_id, policy_id, assignee_id, team_id } = filter
  const conditions: RawBuilder<unknown>[] = []
  if (metric) conditions.push(sql`k.metric = any(${metric}::text[])`)
  if (inbox_id) conditions.push(sql`k.inbox_id = any(${inbox_id}::uuid[])`)
  if (policy_id) conditions.push(sql`k.policy_id = ${policy_id}`)
  if (channel_id) conditions.push(sql`c.channel_id = ${channel_id}`)
  const [theirs, teams] = owner === 'now' ? [sql`c.assignee_id`, sql`c.team_id`] : [sql`k.owner_id`, sql`k.team_id`]
  if (assignee_id !== undefined) conditions.push(sql`${theirs} is not distinct from ${assignee_id}::uuid`)
  if (team_id !== undefined) conditions.push(sql`${teams} is not distinct from ${team_id}::uuid`)
  return conditions
}
