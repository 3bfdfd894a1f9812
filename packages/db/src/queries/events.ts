import type { EventType } from '@parley/contracts'
import type { Actor } from '@parley/domain'
import { type Selectable, sql } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import { newId } from '../ids.ts'
import { insertRows } from '../rows.ts'
import type { Events } from '../tables.generated.ts'

export type EventRow = Selectable<Events>

/** A change to be logged. `data` is a snapshot of what changed, kept as it is now. */
export type NewEvent = {
  type: EventType
  at: Date
  actor: Actor
  conversation_id?: string | null
  data: Record<string, unknown>
  previous?: Record<string, unknown>
}

/** Appends to the log, in the transaction of the change and in the order given. */
export async function appendEvents(trx: Trx, events: NewEvent[]): Promise<void> {
  await insertRows(
    trx,
    'events',
    events.map(event => ({
      id: newId(event.at),
      type: event.type,
      at: event.at,
      actor_type: event.actor.type,
      actor_id: event.actor.id,
      conversation_id: event.conversation_id ?? null,
      data: event.data,
      previous: event.previous ?? null,
    })),
  )
}

/** A place in the log. `since`: a snapshot; what was committed before it does not count (see isNews). */
export type EventPosition = { xact: string; seq: number; since?: string }

/** Whether one place in the log comes behind another. */
export function isAfter(one: EventPosition, other: EventPosition): boolean {
  if (one.xact === other.xact) return one.seq > other.seq
  // As text: this is asked for every stream and event. Neither begins with a zero.
  if (one.xact.length !== other.xact.length) return one.xact.length > other.xact.length
  return one.xact > other.xact
}

/** Whether an event is behind that place, and was committed after its snapshot where it has one. */
export function isNews(event: EventPosition, place: EventPosition): boolean {
  if (!isAfter(event, place)) return false
  if (!place.since) return true
  const [xmin, xmax, running] = place.since.split(':') as [string, string, string]
  if (BigInt(event.xact) >= BigInt(xmax)) return true
  return BigInt(event.xact) >= BigInt(xmin) && running.split(',').includes(event.xact)
}

/**
 * Up to `limit` events after `position`, in commit order without gaps: only what no running transaction can still
 * come before. What is younger is returned by a later call.
 */
export async function listEventsAfter(trx: Trx, position: EventPosition, limit: number): Promise<EventRow[]> {
  const { rows } = await sql<EventRow>`
    select * from events
    where (xact, seq) > (${position.xact}::xid8, ${position.seq}::bigint)
      and xact < pg_snapshot_xmin(pg_current_snapshot())
    order by xact, seq limit ${limit}`.execute(trx)
  return rows
}

/**
 * The place after everything that is committed now. While somebody's transaction lasts, in any database of the server, what
 * others have committed since it began is not readable yet: the snapshot remembers that it happened before.
 */
export async function currentEventPosition(trx: Trx): Promise<Required<EventPosition>> {
  const { rows } = await sql<{ xact: string; since: string }>`
    select pg_snapshot_xmin(pg_current_snapshot())::text as xact, pg_current_snapshot()::text as since`.execute(trx)
  // Nothing readable has this transaction id yet, and everything that gets it comes after seq 0.
  return { ...rows[0]!, seq: 0 }
}

/** How far somebody has read the log of a workspace. */
export type EventHead = Pick<EventPosition, 'xact' | 'seq'> & { workspace_id: string }

/**
 * Of these workspaces those that have readable events behind the place given, and up to where the log of all is readable
 * now. Nothing is looked through while that is still `horizon`, the answer of the call before.
 */
export async function listWorkspacesAhead(
  trx: SystemTrx,
  heads: EventHead[],
  horizon: string,
): Promise<{ horizon: string; workspace_ids: string[] }> {
  const columns = [heads.map(head => head.workspace_id), heads.map(head => head.xact), heads.map(head => head.seq)]
  const { rows } = await sql<{ horizon: string; workspace_ids: string[] }>`
    select pg_snapshot_xmin(pg_current_snapshot())::text as horizon, array(
      select h.workspace_id from unnest(${columns[0]}::uuid[], ${columns[1]}::xid8[], ${columns[2]}::bigint[])
        as h (workspace_id, xact, seq)
      where pg_snapshot_xmin(pg_current_snapshot()) > ${horizon}::xid8 and exists (
        select from events e where e.workspace_id = h.workspace_id and (e.xact, e.seq) > (h.xact, h.seq)
          and e.xact < pg_snapshot_xmin(pg_current_snapshot()))
    )::text[] as workspace_ids`.execute(trx)
  return rows[0]!
}

/** One conversation's events from the oldest on. */
export async function listConversationEvents(
  trx: Trx,
  conversation_id: string,
  page: { limit: number; after: EventPosition },
): Promise<EventRow[]> {
  const { rows } = await sql<EventRow>`
    select * from events where conversation_id = ${conversation_id}
      and (xact, seq) > (${page.after.xact}::xid8, ${page.after.seq}::bigint)
    order by xact, seq limit ${page.limit}`.execute(trx)
  return rows
}
