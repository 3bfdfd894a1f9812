import { type Selectable, sql } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { FeedCursors } from '../tables.generated.ts'
import { currentEventPosition, type EventPosition } from './events.ts'
import { type BoundedCount, countAtMost } from './ledger-state.ts'

export type FeedCursor = Selectable<FeedCursors>

/** Where a consumer begins in a workspace that it has never read. */
export type FeedStart = 'beginning' | 'now'

export async function findFeedCursor(trx: Trx, consumer: string): Promise<FeedCursor | undefined> {
  return trx.selectFrom('feed_cursors').selectAll().where('consumer', '=', consumer).executeTakeFirst()
}

export type LockedFeedCursor = EventPosition & {
  attempts: number
  retry_at: Date | null
  /** Failed events wait to be tried again. */
  has_retries: boolean
}

/** Locks a consumer's place until the transaction ends; undefined when another worker has it, or there is none yet. */
export async function lockFeedCursor(trx: Trx, consumer: string): Promise<LockedFeedCursor | undefined> {
  const { rows } = await sql<LockedFeedCursor>`
    select c.xact, c.seq, c.attempts, c.retry_at, exists (
      select from feed_failures f where f.consumer = c.consumer and f.state = 'pending') as has_retries
    from feed_cursors c where c.consumer = ${consumer} for update of c skip locked`.execute(trx)
  return rows[0]
}

/** Gives the consumer a place in this workspace. False when it has one. */
export async function createFeedCursor(trx: Trx, consumer: string, from: FeedStart, now: Date): Promise<boolean> {
  const position = from === 'now' ? await currentEventPosition(trx) : { xact: '0', seq: 0 }
  const { rows } = await sql`
    insert into feed_cursors (consumer, xact, seq, moved_at)
    values (${consumer}, ${position.xact}::xid8, ${position.seq}, ${now})
    on conflict (workspace_id, consumer) do nothing returning consumer`.execute(trx)
  return rows.length > 0
}

/** Moves the place that the caller has locked behind an event; what had failed there counts no more. */
export async function moveFeedCursor(
  trx: Trx,
  consumer: string,
  move: { to: EventPosition; handled: number },
  now: Date,
): Promise<void> {
  await sql`
    update feed_cursors set xact = ${move.to.xact}::xid8, seq = ${move.to.seq}, handled = handled + ${move.handled},
      moved_at = ${now}, attempts = 0, error = null, retry_at = null
    where consumer = ${consumer}`.execute(trx)
}

/** Says that the event behind the place has failed by itself. The caller has locked the place. */
export async function recordFeedTrouble(
  trx: Trx,
  consumer: string,
  trouble: { attempts: number; error: string; retry_at: Date },
): Promise<void> {
  await trx.updateTable('feed_cursors').set(trouble).where('consumer', '=', consumer).execute()
}

/** Whether the log goes on behind a place, also with events that cannot be read yet. */
export async function hasEventsAfter(trx: Trx, { xact, seq }: EventPosition): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`
    select exists (select from events where (xact, seq) > (${xact}::xid8, ${seq}::bigint)) as found`.execute(trx)
  return rows[0]!.found
}

/** A consumer that has something to do in a workspace, and since when. */
export type FeedBehind = { workspace_id: string; consumer: string; oldest_unread_at: Date | null }

/**
 * Where any of these consumers has unread events, failures to be tried again, or no place yet. One look at the end of
 * each workspace's log, however long that is: a thousand idle workspaces take 10 to 25 ms.
 */
export async function listFeedsBehind(trx: SystemTrx, consumers: string[]): Promise<FeedBehind[]> {
  const { rows } = await sql<FeedBehind>`
    select w.id as workspace_id, k.consumer, unread.at as oldest_unread_at
    from workspaces w
    left join lateral (
      select e.xact, e.seq from events e where e.workspace_id = w.id order by e.xact desc, e.seq desc limit 1) newest on true
    cross join unnest(${consumers}::text[]) as k (consumer)
    left join feed_cursors c on c.workspace_id = w.id and c.consumer = k.consumer
    left join lateral (
      select e.at from events e
      where (newest.xact, newest.seq) > (c.xact, c.seq) and e.workspace_id = w.id and (e.xact, e.seq) > (c.xact, c.seq)
      order by e.xact, e.seq limit 1) unread on true
    where c.consumer is null or (newest.xact, newest.seq) > (c.xact, c.seq) or exists (
      select from feed_failures f where f.workspace_id = w.id and f.consumer = k.consumer and f.state = 'pending')`.execute(
    trx,
  )
  return rows
}

export type FeedState = FeedCursor & { oldest_unread_at: Date | null; unread: BoundedCount; failures: BoundedCount }

/** Every consumer of this workspace: how far it has come and what it left behind. */
export async function listFeedStates(trx: Trx): Promise<FeedState[]> {
  const cursors = await trx.selectFrom('feed_cursors').selectAll().orderBy('consumer').execute()
  return Promise.all(
    cursors.map(async cursor => {
      const after = sql`(xact, seq) > (${cursor.xact}::xid8, ${cursor.seq}::bigint)`
      const [oldest, unread, failures] = await Promise.all([
        sql<{ at: Date }>`select at from events where ${after} order by xact, seq limit 1`.execute(trx),
        countAtMost(trx, trx.selectFrom('events').select('seq').where(sql<boolean>`${after}`)),
        countAtMost(
          trx,
          trx
            .selectFrom('feed_failures')
            .select('id')
            .where('consumer', '=', cursor.consumer)
            .where('state', '<>', 'done'),
        ),
      ])
      return { ...cursor, oldest_unread_at: oldest.rows[0]?.at ?? null, unread, failures }
    }),
  )
}

/** Lets a consumer begin anew with the first event there is; what it had set aside comes again among the others. */
export async function resetFeed(trx: Trx, consumer: string, now: Date): Promise<void> {
  // Waits for whoever reads, and makes the place where there is none.
  await sql`
    insert into feed_cursors (consumer, xact, seq, moved_at) values (${consumer}, '0'::xid8, 0, ${now})
    on conflict (workspace_id, consumer) do update set xact = excluded.xact, seq = excluded.seq, handled = 0,
      moved_at = excluded.moved_at, attempts = 0, error = null, retry_at = null`.execute(trx)
  await trx.deleteFrom('feed_failures').where('consumer', '=', consumer).execute()
}
