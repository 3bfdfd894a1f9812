import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { insertRows } from '../rows.ts'
import type { Waits } from '../tables.generated.ts'

export type Wait = Selectable<Waits>
export type WaitKey = { conversation_id: string; contact_id: string }

/** A customer's open wait in a conversation, or else their latest, and how many of their waits there ended with an answer. */
export type LatestWait = Wait & { answers: number }

/** The open wait, or else the latest, of each customer in these conversations. */
export async function listLatestWaits(trx: Trx, conversation_ids: string[]): Promise<LatestWait[]> {
  if (conversation_ids.length === 0) return []
  const { rows } = await sql<LatestWait>`
    select distinct on (conversation_id, contact_id) waits.*,
      count(closed_by_message_id) over (partition by conversation_id, contact_id) as answers
    from waits
    where conversation_id = any(${conversation_ids}::uuid[])
    -- One that a bounce opened again may stand before one that was cancelled since.
    order by conversation_id, contact_id, closed_at is null desc, ordinal desc`.execute(trx)
  return rows
}

export async function insertWaits(trx: Trx, rows: Insertable<Waits>[]): Promise<void> {
  await insertRows(trx, 'waits', rows)
}

/** Lets a wait begin at another message. */
export async function setWaitOpening(trx: Trx, wait_id: string, opened_at: Date, message_id: string): Promise<void> {
  await trx
    .updateTable('waits')
    .set({ opened_at, opened_by_message_id: message_id })
    .where('id', '=', wait_id)
    .execute()
}

/** Locks the open wait of one customer; undefined when they wait for nothing. */
export async function lockOpenWait(trx: Trx, key: WaitKey): Promise<Wait | undefined> {
  return trx
    .selectFrom('waits')
    .selectAll()
    .where('conversation_id', '=', key.conversation_id)
    .where('contact_id', '=', key.contact_id)
    .where('closed_at', 'is', null)
    .forUpdate()
    .executeTakeFirst()
}

/** Locks the waits that a message has ended: several, where one person waited as several contacts. */
export async function lockWaitsEndedBy(trx: Trx, message_id: string): Promise<Wait[]> {
  return trx
    .selectFrom('waits')
    .selectAll()
    .where('conversation_id', '=', eb =>
      eb.selectFrom('messages').select('messages.conversation_id').where('messages.id', '=', message_id),
    )
    .where('closed_by_message_id', '=', message_id)
    .orderBy('id')
    .forUpdate()
    .execute()
}

/** Locks the waits that another answer has ended, although this one had answered what began them. */
export async function lockWaitsEndedLate(trx: Trx, answer: { id: string; conversation_id: string }): Promise<Wait[]> {
  return trx
    .selectFrom('waits')
    .selectAll()
    .where('conversation_id', '=', answer.conversation_id)
    .where('closed_by_message_id', '<>', answer.id)
    .where('opened_by_message_id', 'in', eb =>
      eb.selectFrom('messages').select('messages.id').where('messages.answered_by_id', '=', answer.id),
    )
    .orderBy('id')
    .forUpdate()
    .execute()
}

/** Lets a wait that was ended go on as if it had not been. */
export async function openWaitAgain(trx: Trx, wait_id: string): Promise<void> {
  await trx
    .updateTable('waits')
    .set({ closed_at: null, closed_by_message_id: null })
    .where('id', '=', wait_id)
    .execute()
}

export async function closeWait(
  trx: Trx,
  wait_id: string,
  closed: {
    closed_at: Date
    closed_by_message_id?: string | null
    cancelled_reason?: string
    merged_into_id?: string
  },
): Promise<void> {
  await trx.updateTable('waits').set(closed).where('id', '=', wait_id).execute()
}

/** What a conversation's row says of those who wait in it. */
export type Waiting = {
  /** Since when its longest-waiting customer waits; null when nobody does. */
  waiting_since: Date | null
  /** When its earliest promise falls due, or fell due; null when none runs. */
  next_due_at: Date | null
}

export async function findWaiting(trx: Trx, conversation_id: string): Promise<Waiting> {
  const { rows } = await sql<Waiting>`
    select (select min(opened_at) from waits
        where conversation_id = ${conversation_id} and closed_at is null) as waiting_since,
      (select min(due_at) from sla_clocks
        where conversation_id = ${conversation_id} and state = 'running') as next_due_at`.execute(trx)
  return rows[0]!
}

export async function listWaits(trx: Trx, conversation_id: string): Promise<Wait[]> {
  return trx
    .selectFrom('waits')
    .selectAll()
    .where('conversation_id', '=', conversation_id)
    .orderBy('opened_at')
    .orderBy('id')
    .execute()
}
