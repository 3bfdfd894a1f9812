import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { FeedFailures } from '../tables.generated.ts'
import type { EventRow } from './events.ts'

export type FeedFailure = Selectable<FeedFailures>

export async function insertFeedFailure(trx: Trx, row: Insertable<FeedFailures>): Promise<void> {
  await trx.insertInto('feed_failures').values(row).execute()
}

/** What a consumer left behind and has not handled since, oldest first. */
export async function listFeedFailures(trx: Trx, consumer: string, page: IdPage): Promise<FeedFailure[]> {
  return trx
    .selectFrom('feed_failures')
    .selectAll()
    .where('consumer', '=', consumer)
    .where('state', '<>', 'done')
    .where('id', '>', startOf(page))
    .orderBy('id')
    .limit(page.limit)
    .execute()
}

export async function findFeedFailure(trx: Trx, consumer: string, id: string): Promise<FeedFailure | undefined> {
  return trx
    .selectFrom('feed_failures')
    .selectAll()
    .where('consumer', '=', consumer)
    .where('id', '=', id)
    .executeTakeFirst()
}

/** Lets one be tried again; undefined when it is not `failed` any more. */
export async function reopenFeedFailure(trx: Trx, consumer: string, id: string): Promise<FeedFailure | undefined> {
  return trx
    .updateTable('feed_failures')
    .set({ state: 'pending' })
    .where('consumer', '=', consumer)
    .where('id', '=', id)
    .where('state', '=', 'failed')
    .returningAll()
    .executeTakeFirst()
}

/** The oldest one that is to be tried again, with its event. The caller has locked the consumer's place. */
export async function findPendingFailure(
  trx: Trx,
  consumer: string,
): Promise<{ id: string; event: EventRow } | undefined> {
  const { rows } = await sql<EventRow & { failure_id: string }>`
    select e.*, f.id as failure_id
    from (select * from feed_failures where consumer = ${consumer} and state = 'pending' order by id limit 1) f
    join events e on e.xact = f.xact and e.seq = f.seq`.execute(trx)
  if (!rows[0]) return undefined
  const { failure_id, ...event } = rows[0]
  return { id: failure_id, event }
}

export async function closeFeedFailure(trx: Trx, id: string, now: Date): Promise<void> {
  await trx.updateTable('feed_failures').set({ state: 'done', done_at: now }).where('id', '=', id).execute()
}

/** One that was tried again and failed again waits for a person once more. */
export async function failAgain(trx: Trx, id: string, error: string): Promise<void> {
  await trx
    .updateTable('feed_failures')
    .set(eb => ({ state: 'failed', error, attempts: eb('attempts', '+', 1) }))
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .execute()
}
