import { type RepeatContact, TRIAGE_LENGTH, type TriageCorrected, type TriageReason } from '@parley/domain'
import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { MessageTriage } from '../tables.generated.ts'

export type Triage = Omit<Selectable<MessageTriage>, 'reasons' | 'corrected'> & {
  reasons: TriageReason[]
  corrected: TriageCorrected[]
}

export type TriageRow = Omit<Triage, 'workspace_id'>

/** A message as it is judged, with what was made of it before. */
export type MessageToTriage = {
  id: string
  conversation_id: string
  contact_id: string
  /** Its beginning: nothing else is looked at. */
  body: string
  visibility: 'public' | 'private'
  has_attachments: boolean
  occurred_at: Date
  version_at: Date
  /** What its author wants to be answered in. */
  contact_language: string | null
  known: Triage | null
}

// A program's message, one of the history, or one that is gone, says nothing about who comes first.
const COUNTS = sql`m.direction = 'inbound' and m.author_type = 'contact' and m.contact_id is not null
  and m.deleted_at is null and not m.from_history and not m.automatic and not ('erased' = any(m.body_marks))`

/**
 * Of these messages those that customers wrote and that stand, in the order in which they were written.
 * What was made of them before stays as it is until the transaction ends: nobody's correction gets lost.
 */
export async function listMessagesToTriage(trx: Trx, ids: string[]): Promise<MessageToTriage[]> {
  if (ids.length === 0) return []
  await sql`select from (select distinct id from unnest(${ids}::uuid[]) as given (id) order by id) wanted,
    lateral (select from message_triage where message_id = wanted.id for update) locked`.execute(trx)
  const { rows } = await sql<MessageToTriage & { known: Triage | null }>`
    select m.id, m.conversation_id, m.contact_id, left(m.body, ${TRIAGE_LENGTH}) as body, m.visibility, m.has_attachments,
      m.occurred_at, m.version_at, c.language as contact_language, to_jsonb(t) as known
    from (select distinct id from unnest(${ids}::uuid[]) as given (id)) wanted,
      lateral (select * from messages m where m.id = wanted.id and ${COUNTS} limit 1) m
      cross join lateral (select coalesce(merged_into, id) as id from contacts where id = m.contact_id limit 1) person
      cross join lateral (select language from contacts where id = person.id limit 1) c
      left join lateral (select * from message_triage where message_id = m.id limit 1) t on true
    order by m.occurred_at, m.id`.execute(trx)
  return rows.map(row => ({ ...row, known: row.known && withDates(row.known) }))
}

/** JSON has no instants. */
const withDates = (row: Triage): Triage => ({
  ...row,
  occurred_at: new Date(row.occurred_at),
  version_at: new Date(row.version_at),
  triaged_at: new Date(row.triaged_at),
})

/** Writes what was made of messages, in the place of what was made of them before. */
export async function putTriage(trx: Trx, rows: TriageRow[]): Promise<void> {
  const [first] = rows
  if (!first) return
  const columns = Object.keys(first)
  const changed = columns.filter(column => column !== 'message_id')
  await sql`
    insert into message_triage (workspace_id, ${sql.join(columns.map(column => sql.ref(column)))})
    select (select current_workspace()), ${sql.join(columns.map(column => sql.ref(column)))}
    from ${rowsOf('message_triage', rows as unknown as Insertable<MessageTriage>[])} as rows order by message_id
    on conflict (workspace_id, message_id) do update
      set ${sql.join(changed.map(column => sql`${sql.ref(column)} = excluded.${sql.ref(column)}`))}`.execute(trx)
}

/** Forgets what was made of these messages. */
export async function deleteTriage(trx: Trx, message_ids: string[]): Promise<void> {
  if (message_ids.length === 0) return
  await sql`delete from message_triage where message_id = any(${message_ids}::uuid[])`.execute(trx)
}

/** Forgets what was made of anything that these contacts wrote. */
export async function deleteTriageOf(trx: Trx, contact_ids: string[]): Promise<void> {
  if (contact_ids.length === 0) return
  await sql`delete from message_triage where contact_id = any(${contact_ids}::uuid[])`.execute(trx)
}

/** Of one person not more than these are counted: who has written so often comes first anyway. */
const MOST_COUNTED = 50

/**
 * How often the authors of these messages had written by then, whoever they were merged with. Only what is in the table
 * counts, so the messages themselves are put there first.
 */
export async function countRepeats(
  trx: Trx,
  messages: { message_id: string; contact_id: string; occurred_at: Date }[],
): Promise<Map<string, RepeatContact>> {
  if (messages.length === 0) return new Map()
  const ago = (days: number) => messages.map(({ occurred_at }) => new Date(occurred_at.getTime() - days * DAY_MS))
  const { rows } = await sql<RepeatContact & { message_id: string }>`
    select w.message_id,
      count(*) filter (where r.waits and r.occurred_at > w.day_ago)::int as unanswered_24h,
      count(*) filter (where r.waits)::int as unanswered_7d,
      count(distinct r.conversation_id)::int as conversations_7d
    from unnest(${messages.map(row => row.message_id)}::uuid[], ${messages.map(row => row.contact_id)}::uuid[],
        ${messages.map(row => row.occurred_at)}::timestamptz[], ${ago(1)}::timestamptz[], ${ago(7)}::timestamptz[])
        as w (message_id, contact_id, occurred_at, day_ago, week_ago)
      cross join lateral (select coalesce(merged_into, id) as id from contacts where id = w.contact_id limit 1) person
      cross join lateral (
        select person.id union all select id from contacts where merged_into = person.id) theirs (id)
      cross join lateral (
        select near.occurred_at, m.conversation_id, exists (
          select from waits where conversation_id = m.conversation_id and contact_id = m.contact_id and closed_at is null
            and (opened_at <= m.occurred_at or opened_by_message_id = m.id)) as waits
        from (
          select message_id, occurred_at from message_triage
          where contact_id = theirs.id and occurred_at <= w.occurred_at and occurred_at > w.week_ago
          order by occurred_at desc limit ${MOST_COUNTED}) near
          cross join lateral (select * from messages where id = near.message_id limit 1) m) r
    group by w.message_id`.execute(trx)
  return new Map(rows.map(({ message_id, ...repeat }) => [message_id, repeat]))
}

const DAY_MS = 24 * 3_600_000

/** What is made of these messages, with the words of those that still say what was judged. */
export type TriageWithText = Triage & { conversation_id: string; text: string | null }

export async function listTriage(trx: Trx, message_ids: string[]): Promise<TriageWithText[]> {
  if (message_ids.length === 0) return []
  const { rows } = await sql<TriageWithText>`
    select t.*, m.conversation_id,
      case when m.version_at = t.version_at and m.deleted_at is null then left(m.body, ${TRIAGE_LENGTH}) end as text
    from unnest(${message_ids}::uuid[]) as wanted (id),
      lateral (select * from message_triage where message_id = wanted.id limit 1) t,
      lateral (select * from messages where id = wanted.id limit 1) m`.execute(trx)
  return rows
}

/** What is made of the customers' last message in each of these conversations, where something is. */
export async function listLastTriage(trx: Trx, conversation_ids: string[]): Promise<TriageWithText[]> {
  const { rows } = await sql<{ id: string }>`
    select m.id from unnest(${conversation_ids}::uuid[]) as c (id) cross join lateral (
      select id from messages m where conversation_id = c.id and ${COUNTS}
      order by occurred_at desc, thread_position desc limit 1) m`.execute(trx)
  return listTriage(
    trx,
    rows.map(({ id }) => id),
  )
}

/** What is made of one message, locked; undefined where nothing is. */
export async function lockTriage(trx: Trx, message_id: string): Promise<Triage | undefined> {
  const { rows } = await sql<Triage>`
    select * from message_triage where message_id = ${message_id} for update`.execute(trx)
  return rows[0]
}
