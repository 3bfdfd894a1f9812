import { sql } from 'kysely'
import type { Trx } from '../database.ts'

export type LedgerPlace = { channel_id: string; dedup_key: string }
export type LedgerRow = LedgerPlace & {
  id: string
  state: string
  received_at: Date
  error: string | null
  /** As it came; null where it is dropped already. */
  payload: string | null
}

/** The next rows of the ledger in the order of their keys, with what came. */
export async function listLedger(
  trx: Trx,
  { channel_id, dedup_key }: LedgerPlace,
  limit: number,
): Promise<LedgerRow[]> {
  const { rows } = await sql<LedgerRow>`
    select e.channel_id, e.dedup_key, e.id, e.state, e.received_at, e.error,
      coalesce(e.parked_payload, p.payload)::text as payload
    from (select * from inbound_events where (channel_id, dedup_key) > (${channel_id}::uuid, ${dedup_key})
      order by channel_id, dedup_key limit ${limit}) e
    left join lateral (select payload from inbound_payloads where id = e.id limit 1) p on true
    order by e.channel_id, e.dedup_key`.execute(trx)
  return rows
}

/** Empties rows of the ledger: nobody will read what came, and their keys are hashes. Undone ones are closed. */
export async function scrubLedger(
  trx: Trx,
  rows: (LedgerPlace & { id: string; erased_key: string })[],
  now: Date,
): Promise<void> {
  if (rows.length === 0) return
  const column = <K extends keyof (typeof rows)[number]>(key: K) => rows.map(row => row[key])
  await sql`
    update inbound_events e set dedup_key = given.erased_key, parked_payload = null, error = null,
      state = case e.state when 'pending' then 'ignored' when 'parked' then 'discarded' else e.state end,
      processed_at = coalesce(e.processed_at, ${now})
    from unnest(${column('channel_id')}::uuid[], ${column('dedup_key')}::text[], ${column('erased_key')}::text[])
      as given (channel_id, dedup_key, erased_key)
    where e.channel_id = given.channel_id and e.dedup_key = given.dedup_key`.execute(trx)
  await sql`delete from inbound_payloads where id = any(${column('id')}::uuid[])`.execute(trx)
}

/** Which of these messages were written by these contacts, of those that are named. */
export async function findMessagesFrom(trx: Trx, contact_ids: string[], ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const { rows } = await sql<{ id: string }>`
    select id from messages where id = any(${ids}::uuid[]) and contact_id = any(${contact_ids}::uuid[])
      and direction = 'inbound'`.execute(trx)
  return new Set(rows.map(row => row.id))
}

export type LogRow = {
  xact: string
  seq: number
  type: string
  conversation_id: string | null
  data: string
  previous: string | null
}

/** Which of these conversations were begun by these contacts. */
export async function findBegunBy(trx: Trx, contact_ids: string[], ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const { rows } = await sql<{ id: string }>`
    select id from conversations where id = any(${ids}::uuid[]) and contact_id = any(${contact_ids}::uuid[])`.execute(
    trx,
  )
  return new Set(rows.map(row => row.id))
}

/** The next events of the log, from the oldest on, as text. */
export async function listLogText(trx: Trx, after: { xact: string; seq: number }, limit: number): Promise<LogRow[]> {
  const { rows } = await sql<LogRow>`
    select xact::text, seq, type, conversation_id, data::text, previous::text from events
    where (xact, seq) > (${after.xact}::xid8, ${after.seq}::bigint) order by xact, seq limit ${limit}`.execute(trx)
  return rows
}

/** Takes texts out of an event. Postgres refuses every other change of it. */
export async function redactEvent(trx: Trx, { xact, seq, data, previous }: LogRow): Promise<void> {
  await sql`update events set data = ${data}::json, previous = ${previous}::json
    where xact = ${xact}::xid8 and seq = ${seq}`.execute(trx)
}

export type AnswerPlace = { credential_id: string; route: string; key: string }

/** The next stored answers, locked, in the order of their keys. */
export async function lockAnswers(
  trx: Trx,
  after: AnswerPlace | null,
  limit: number,
): Promise<(AnswerPlace & { body: string })[]> {
  const { credential_id, route, key } = after ?? {
    credential_id: '00000000-0000-0000-0000-000000000000',
    route: '',
    key: '',
  }
  const { rows } = await sql<AnswerPlace & { body: string }>`
    select credential_id, route, key, body from idempotency_keys
    where (credential_id, route, key) > (${credential_id}::uuid, ${route}, ${key})
    order by credential_id, route, key limit ${limit} for update`.execute(trx)
  return rows
}

export async function replaceAnswer(trx: Trx, place: AnswerPlace, body: string): Promise<void> {
  await sql`update idempotency_keys set body = ${body}
    where credential_id = ${place.credential_id} and route = ${place.route} and key = ${place.key}`.execute(trx)
}
