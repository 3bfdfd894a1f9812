import { type Insertable, type Selectable, sql } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { SlaDifferences, SlaSelfChecks } from '../tables.generated.ts'
import type { EventRow } from './events.ts'
import type { SlaClock } from './sla-clocks.ts'
import type { Reach } from './visibility.ts'

export type SelfCheck = Selectable<SlaSelfChecks>

/** What the clocks of a conversation depend on. */
const TYPES = [
  ...[
    'message.received',
    'message.updated',
    'message.deleted',
    'message.flagged',
    'message.flag_cleared',
    'action.sent',
  ],
  ...['message.dismissed', 'message.disposition_changed'],
  ...['reply.sent', 'reply.bounced'],
]

export type ClockEventRow = Pick<
  EventRow,
  'type' | 'at' | 'xact' | 'actor_id' | 'conversation_id' | 'data' | 'previous'
>

/**
 * The events of these conversations that their clocks depend on, up to `limit`, in the order in which they happened. Readers of
 * the log go by transactions, which is the order in which those began; whoever logs of a conversation has locked it or the
 * clock, so within one the numbers are in the order of the locks.
 */
export async function listClockEvents(trx: Trx, conversation_ids: string[], limit: number): Promise<ClockEventRow[]> {
  const { rows } = await sql<ClockEventRow>`
    select type, at, xact::text, actor_id, conversation_id, data, previous from events
    where conversation_id = any(${conversation_ids}::uuid[])
      and (type = any(${TYPES}::text[]) or type like 'sla.%' or type like 'conversation.%')
    order by seq limit ${limit}`.execute(trx)
  return rows
}

/** The clocks of these conversations, in the order in which they started. */
export async function listClocksOf(trx: Trx, conversation_ids: string[]): Promise<SlaClock[]> {
  return trx
    .selectFrom('sla_clocks')
    .selectAll()
    .where('conversation_id', 'in', conversation_ids)
    .orderBy('started_at')
    .orderBy('id')
    .execute()
}

/** When these channels were connected. */
export async function listConnections(trx: Trx, channel_ids: string[]): Promise<Map<string, Date>> {
  if (channel_ids.length === 0) return new Map()
  const rows = await trx.selectFrom('channels').select(['id', 'connected_at']).where('id', 'in', channel_ids).execute()
  return new Map(rows.map(row => [row.id, row.connected_at]))
}

/** Workspaces in which no check has begun since `before`, or one was left by a worker that held it until now. */
export async function listWorkspacesToSelfCheck(trx: SystemTrx, before: Date, now: Date): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from workspaces w where not exists (
      select from sla_self_checks s where s.workspace_id = w.id and s.started_at > ${before} and s.finished_at is not null)
    and not exists (select from sla_self_checks s where s.workspace_id = w.id and s.finished_at is null and s.held_until > ${now})
    order by id`.execute(trx)
  return rows.map(row => row.id)
}

/** Takes over the check that is not finished, where nobody holds it; undefined: there is none, or somebody does. */
export async function holdSelfCheck(trx: Trx, now: Date, held_until: Date): Promise<SelfCheck | undefined> {
  return trx
    .updateTable('sla_self_checks')
    .set({ held_until })
    .where('finished_at', 'is', null)
    .where('held_until', '<=', now)
    .returningAll()
    .executeTakeFirst()
}

/** Begins a check of these conversations; undefined where one goes on already, or has begun since `before`. */
export async function insertSelfCheck(
  trx: Trx,
  { remaining, before, now, held_until }: { remaining: string[]; before: Date; now: Date; held_until: Date },
): Promise<SelfCheck | undefined> {
  const { rows } = await sql<SelfCheck>`
    insert into sla_self_checks (started_at, held_until, remaining)
    select ${now}::timestamptz, ${held_until}::timestamptz, ${remaining}::uuid[]
    where not exists (select from sla_self_checks where started_at > ${before})
    on conflict do nothing returning *`.execute(trx)
  return rows[0]
}

/**
 * Counts conversations as looked at, and finishes the check with the last of them. False where another worker holds it by now:
 * what this one has found, that one finds.
 */
export async function advanceSelfCheck(
  trx: Trx,
  check: SelfCheck,
  done: Pick<SelfCheck, 'conversations' | 'clocks' | 'skipped'>,
  { held_until, now }: { held_until: Date; now: Date },
): Promise<SelfCheck | undefined> {
  const { conversations, clocks, skipped } = done
  const { rows } = await sql<SelfCheck>`
    update sla_self_checks set remaining = remaining[${conversations}::int + 1:], held_until = ${held_until},
      conversations = conversations + ${conversations}, clocks = clocks + ${clocks}, skipped = skipped + ${skipped},
      finished_at = case when cardinality(remaining) <= ${conversations} then ${now}::timestamptz end
    where started_at = ${check.started_at} and held_until = ${check.held_until} and finished_at is null
    returning *`.execute(trx)
  return rows[0]
}

/**
 * Draws conversations to look at: those that changed last, and of those that changed since `since` some at random; those of the
 * last breaches; and of all some at random. Up to five times `each`, each by its place in an index.
 * @param moments random ones since `since`, up to `each`
 * @param ids random ones, up to `each`: the next conversation behind each is taken
 */
export async function drawConversations(
  trx: Trx,
  { since, each, moments, ids }: { since: Date; each: number; moments: Date[]; ids: string[] },
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    (select id from conversations where updated_at >= ${since} order by updated_at desc, id desc limit ${each})
    union
    select c.id from unnest(${moments}::timestamptz[]) as m (at) cross join lateral (
      select id from conversations where updated_at >= m.at order by updated_at, id limit 1) c
    union
    select conversation_id from (select conversation_id from sla_clocks where breached_at >= ${since}
      order by breached_at desc, id desc limit ${each}) b
    union
    select c.id from unnest(${ids}::uuid[]) as i (id) cross join lateral (
      select id from conversations where id >= i.id order by id limit 1) c`.execute(trx)
  return rows.map(row => row.id)
}

/** The id of the conversation that came first; undefined where there is none. */
export async function findOldestConversationId(trx: Trx): Promise<string | undefined> {
  const row = await trx.selectFrom('conversations').select('id').orderBy('id').limit(1).executeTakeFirst()
  return row?.id
}

export type Difference = Selectable<SlaDifferences>

/** Keeps what a check has found, each once. Returns what it had not found before. */
export async function insertDifferences(
  trx: Trx,
  rows: Omit<Insertable<SlaDifferences>, 'inbox_id'>[],
): Promise<Difference[]> {
  if (rows.length === 0) return []
  const { rows: inserted } = await sql<Difference>`
    insert into sla_differences (id, check_started_at, inbox_id, conversation_id, clock_id, level, field, stored, recomputed, found_at)
    select d.id, d.check_started_at, c.inbox_id, d.conversation_id, d.clock_id, d.level, d.field, d.stored, d.recomputed, d.found_at
    from ${rowsOf('sla_differences', rows)} as d join conversations c on c.id = d.conversation_id
    on conflict do nothing returning *`.execute(trx)
  return inserted
}

/** The check that began last. */
export async function findLastSelfCheck(trx: Trx): Promise<SelfCheck | undefined> {
  return trx.selectFrom('sla_self_checks').selectAll().orderBy('started_at', 'desc').limit(1).executeTakeFirst()
}

/** What a check has found in the inboxes that the caller sees: how much, and up to `limit` of it. */
export async function listDifferences(
  trx: Trx,
  { inbox_ids }: Reach,
  started_at: Date,
  limit: number,
): Promise<{ total: number; differences: Difference[] }> {
  const within = sql<boolean>`check_started_at = ${started_at} and (${inbox_ids}::uuid[] is null or inbox_id = any(${inbox_ids}::uuid[]))`
  const differences = await trx
    .selectFrom('sla_differences')
    .selectAll()
    .where(within)
    .orderBy('id')
    .limit(limit)
    .execute()
  const { total } = await trx
    .selectFrom('sla_differences')
    .select(eb => eb.fn.countAll<number>().as('total'))
    .where(within)
    .executeTakeFirstOrThrow()
  return { total, differences }
}

/** Forgets checks that began before, with what they found. Returns how many there were. */
export async function deleteOldSelfChecks(trx: Trx, before: Date): Promise<number> {
  const { numDeletedRows } = await trx.deleteFrom('sla_self_checks').where('started_at', '<', before).executeTakeFirst()
  return Number(numDeletedRows)
}
