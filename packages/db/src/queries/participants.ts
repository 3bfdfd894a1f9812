import { sql } from 'kysely'
import type { Trx } from '../database.ts'

export type CustomerInThread = {
  contact_id: string
  name: string
  messages: number
  first_at: Date
  last_at: Date
  waiting: boolean
}
export type StaffInThread = {
  user_id: string
  name: string
  replies: number
  notes: number
  owns: boolean
  owned: boolean
  first_at: Date
  last_at: Date
}

/** Who spoke in a conversation, as whom they are now, the first to speak first. What was deleted does not count. */
export async function listCustomersIn(trx: Trx, conversation_id: string): Promise<CustomerInThread[]> {
  const { rows } = await sql<CustomerInThread>`
    with spoke as (
      select contact_id, count(*)::int as messages, min(occurred_at) as first_at, max(occurred_at) as last_at
      from messages where conversation_id = ${conversation_id} and direction = 'inbound' and deleted_at is null
      group by contact_id),
    waits_now as (select distinct contact_id from waits
      where conversation_id = ${conversation_id} and closed_at is null)
    select person.id as contact_id, person.name, sum(s.messages)::int as messages, min(s.first_at) as first_at,
      max(s.last_at) as last_at, bool_or(exists (select from waits_now w where w.contact_id in (s.contact_id, person.id)))
      as waiting
    from spoke s
    join contacts c on c.id = s.contact_id
    join contacts person on person.id = coalesce(c.merged_into, c.id)
    group by person.id, person.name order by min(s.first_at), person.id`.execute(trx)
  return rows
}

/** Who replied, noted or owned, the first to take part first. A reply that was refused or taken back does not count. */
export async function listStaffIn(trx: Trx, conversation_id: string): Promise<StaffInThread[]> {
  const { rows } = await sql<StaffInThread>`
    with took_part as (
      select author_id as user_id, count(*) filter (where direction = 'outbound')::int as replies,
        count(*) filter (where direction = 'internal')::int as notes, false as owned,
        min(occurred_at) as first_at, max(occurred_at) as last_at
      from messages where conversation_id = ${conversation_id} and author_type = 'user' and direction <> 'inbound'
        and state not in ('rejected', 'cancelled') and deleted_at is null
      group by author_id
      union all
      select user_id, 0, 0, true, min(assigned_at), max(assigned_at) from assignments
      where conversation_id = ${conversation_id} and user_id is not null group by user_id)
    select u.id as user_id, u.name, sum(p.replies)::int as replies, sum(p.notes)::int as notes,
      bool_or(p.owned) as owned, min(p.first_at) as first_at, max(p.last_at) as last_at,
      u.id = (select assignee_id from conversations where id = ${conversation_id}) is true as owns
    from took_part p join users u on u.id = p.user_id
    group by u.id, u.name order by min(p.first_at), u.id`.execute(trx)
  return rows.map(row => ({ ...row, owns: row.owns ?? false }))
}
