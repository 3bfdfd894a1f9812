import type { SlaMetric } from '@parley/domain'
import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import { insertRows, rowsOf } from '../rows.ts'
import type { SlaClocks } from '../tables.generated.ts'

export type SlaClock = Selectable<SlaClocks>

export async function insertClocks(trx: Trx, rows: Insertable<SlaClocks>[]): Promise<void> {
  await insertRows(trx, 'sla_clocks', rows)
}

/** Locks what runs for one wait: the clock of what was promised, if anything was, and those of its windows. */
export async function lockRunningClocks(
  trx: Trx,
  wait_id: string,
): Promise<{ promised: SlaClock | undefined; windows: SlaClock[] }> {
  const clocks = await trx
    .selectFrom('sla_clocks')
    .selectAll()
    .where('wait_id', '=', wait_id)
    .where('state', '=', 'running')
    .orderBy('id')
    .forUpdate()
    .execute()
  const isWindow = ({ metric }: SlaClock) => metric === 'network_window'
  return { promised: clocks.find(clock => !isWindow(clock)), windows: clocks.filter(isWindow) }
}

/** Locks the clock that runs since a message was flagged. */
export async function lockClockOf(trx: Trx, message_id: string): Promise<SlaClock | undefined> {
  return trx
    .selectFrom('sla_clocks')
    .selectAll()
    .where('message_id', '=', message_id)
    .where('metric', '=', 'moderation')
    .where('state', '=', 'running')
    .forUpdate()
    .executeTakeFirst()
}

/** The last clock that ran since a message was flagged. */
export async function findLatestClockOf(trx: Trx, message_id: string): Promise<SlaClock | undefined> {
  return trx
    .selectFrom('sla_clocks')
    .selectAll()
    .where('message_id', '=', message_id)
    .where('metric', '=', 'moderation')
    .orderBy('ordinal', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/**
 * Locks the clocks of these conversations that go on, and the last of each kind that is a conversation's own; in the order in
 * which they started.
 */
export async function lockLiveClocks(trx: Trx, conversation_ids: string[]): Promise<SlaClock[]> {
  const { rows } = await sql<SlaClock>`
    select * from sla_clocks c
    where conversation_id = any(${conversation_ids}::uuid[]) and (state in ('running', 'paused') or wait_id is null and message_id is null
      and ordinal = (select max(l.ordinal) from sla_clocks l where l.conversation_id = c.conversation_id
        and l.wait_id is null and l.message_id is null and l.metric = c.metric))
    order by id for no key update`.execute(trx)
  return rows.sort((a, b) => a.ordinal - b.ordinal)
}

/** Writes to these conversations when their earliest promise falls due. Their version stays: nobody changed them. */
export async function refreshDue(trx: Trx, conversation_ids: string[]): Promise<void> {
  await sql`
    update conversations c set next_due_at = d.due_at
    from unnest(${conversation_ids}::uuid[]) as i (id) cross join lateral (
      select min(k.due_at) as due_at from sla_clocks k where k.conversation_id = i.id and k.state = 'running') d
    where c.id = i.id and c.next_due_at is distinct from d.due_at`.execute(trx)
}

/** Of which clocks; what is not given narrows nothing. */
export type ClockScope = {
  policy_id?: string | undefined
  inbox_id?: string | undefined
  metric?: SlaMetric[] | undefined
}

/** Conversations that have open clocks of a scope, in the order of their ids. */
export async function listConversationsWithClocks(
  trx: Trx,
  { policy_id, inbox_id, metric }: ClockScope,
  { after, limit }: { after: string | null; limit: number },
): Promise<string[]> {
  const { rows } = await sql<{ conversation_id: string }>`
    select distinct conversation_id from sla_clocks
    where state in ('running', 'paused') and breached_at is null
      and (${policy_id ?? null}::uuid is null or policy_id = ${policy_id ?? null})
      and (${inbox_id ?? null}::uuid is null or inbox_id = ${inbox_id ?? null})
      and (${metric ?? null}::text[] is null or metric = any(${metric ?? null}::text[]))
      and (${after}::uuid is null or conversation_id > ${after}::uuid)
    order by conversation_id limit ${limit}`.execute(trx)
  return rows.map(row => row.conversation_id)
}

/** Writes clocks as they are now: all that may change of one. */
export async function writeClocks(trx: Trx, clocks: SlaClock[]): Promise<void> {
  if (clocks.length === 0) return
  const rows = clocks.map(clock => Object.fromEntries(CHANGING.map(column => [column, clock[column]])))
  const columns = sql.join(
    CHANGING.filter(column => column !== 'id').map(column => sql`${sql.ref(column)} = r.${sql.ref(column)}`),
  )
  await sql`update sla_clocks c set ${columns} from ${rowsOf('sla_clocks', rows)} as r where c.id = r.id`.execute(trx)
}

const CHANGING = [
  ...(['policy_version', 'calendar_id', 'calendar_version'] as const),
  ...(['id', 'state', 'target_seconds', 'due_at', 'priority', 'cause', 'warnings', 'warn_at'] as const),
  ...(['counted_ms', 'running_since', 'paused_at', 'paused_ms', 'breached_at', 'detected_at'] as const),
  ...(['fulfilled_at', 'cancelled_at', 'cancelled_reason', 'owner_id', 'team_id', 'top_level_since'] as const),
]

export async function updateClock(trx: Trx, id: string, change: Updateable<SlaClocks>): Promise<SlaClock> {
  return trx.updateTable('sla_clocks').set(change).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
}

/** Lets the clocks run again that a message had stopped, under the same promise. Returns them. */
export async function resumeClocksOf(trx: Trx, wait_id: string, message_id: string): Promise<SlaClock[]> {
  return trx
    .updateTable('sla_clocks')
    .set({ state: 'running', fulfilled_at: null, fulfilled_by_message_id: null })
    .where('wait_id', '=', wait_id)
    .where('fulfilled_by_message_id', '=', message_id)
    .returningAll()
    .execute()
}

export async function listClocks(trx: Trx, conversation_id: string): Promise<SlaClock[]> {
  return trx
    .selectFrom('sla_clocks')
    .selectAll()
    .where('conversation_id', '=', conversation_id)
    .orderBy('started_at')
    .orderBy('id')
    .execute()
}

/** Workspaces in which a running clock has passed its due time and nobody has recorded it. */
export async function listWorkspacesWithDueClocks(trx: SystemTrx, now: Date): Promise<string[]> {
  const { rows } = await sql<{ workspace_id: string }>`
    select distinct workspace_id from sla_clocks
    where state = 'running' and breached_at is null and due_at < ${now}`.execute(trx)
  return rows.map(row => row.workspace_id)
}

/**
 * Records up to `limit` breaches, at their due times; any number of workers may do so at once. A clock that is due this
 * very millisecond can still be met.
 */
export async function breachDueClocks(trx: Trx, now: Date, limit: number): Promise<SlaClock[]> {
  const { rows } = await sql<SlaClock>`
    update sla_clocks c
    set breached_at = c.due_at, detected_at = ${now},
      (owner_id, team_id) = (select assignee_id, v.team_id from conversations v
        where v.workspace_id = c.workspace_id and v.id = c.conversation_id)
    from (select id from sla_clocks where state = 'running' and breached_at is null and due_at < ${now}
      order by due_at limit ${limit} for update skip locked) due
    where c.id = due.id
    returning c.*`.execute(trx)
  return rows
}

/** Workspaces in which it is to be told that a clock is about to fall due. */
export async function listWorkspacesToWarn(trx: SystemTrx, now: Date): Promise<string[]> {
  const { rows } = await sql<{ workspace_id: string }>`
    select distinct workspace_id from sla_clocks
    where state = 'running' and breached_at is null and warn_at <= ${now}`.execute(trx)
  return rows.map(row => row.workspace_id)
}

/** Locks up to `limit` clocks of which that is to be told; what another worker is at is passed over. */
export async function lockClocksToWarn(trx: Trx, now: Date, limit: number): Promise<SlaClock[]> {
  const { rows } = await sql<SlaClock>`
    select * from sla_clocks where state = 'running' and breached_at is null and warn_at <= ${now}
    order by warn_at limit ${limit} for no key update skip locked`.execute(trx)
  return rows
}

/** Takes the warnings that were told off clocks, and says when the next ones are. */
export async function setWarnings(
  trx: Trx,
  clocks: { id: string; told: number; warn_at: Date | null }[],
): Promise<void> {
  if (clocks.length === 0) return
  const column = <K extends keyof (typeof clocks)[number]>(name: K) => clocks.map(clock => clock[name])
  await sql`update sla_clocks c set warnings = c.warnings[w.told + 1:], warn_at = w.warn_at
    from unnest(${column('id')}::uuid[], ${column('told')}::int[], ${column('warn_at')}::timestamptz[])
      as w (id, told, warn_at)
    where c.id = w.id`.execute(trx)
}
