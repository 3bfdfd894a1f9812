import { ALL_LANES } from '@parley/core'
import type pg from 'pg'
import { TEXTS } from './corpus.ts'
import { dropIndexes } from './drop-indexes.ts'
import { contactId, idAt, identityId, type Place, planMessages } from './planned-messages.ts'

const SLICE = 500_000
const DAY_MS = 24 * 3600 * 1000
/** Within the days that the ledger keeps what is done. */
const DAYS = 20
/** The newest threads still wait for an answer; all others are resolved. */
const WAITING_SHARE = 0.05

const TABLES = ['contacts', 'contact_identities', 'conversations', 'messages', 'waits', 'events', 'inbound_events']
/**
 * Fills a channel with the history of an installation that has been at work for weeks: `count` messages that came as
 * webhooks, with their contacts, conversations, waits, log and closed ledger rows. Payloads of the past are dropped day
 * by day, so there are none. Takes a superuser: foreign keys are not checked, and indexes that no constraint needs are
 * dropped and made anew afterwards.
 */
export async function fillHistory(
  client: pg.Client,
  place: Place,
  count: number,
  say: (line: string) => void,
): Promise<void> {
  await client.query(`set session_replication_role = replica; set synchronous_commit = off; set jit = off;
    set maintenance_work_mem = '512MB'; set work_mem = '256MB'; set temp_buffers = '256MB'`)
  const indexes = await dropIndexes(client, TABLES)
  const until = new Date()
  const from = new Date(until.getTime() - DAYS * DAY_MS)
  const { threads, authors } = await planMessages(client, { count, from, until })
  say(`history: ${count} messages are planned`)
  for (const statement of peopleAndThreads(place, threads, authors, from)) await client.query(statement)
  say(`history: ${threads} conversations are there`)
  for (let first = 0; first < count; first += SLICE) {
    const slice = `p.n >= ${first} and p.n < ${first + SLICE}`
    await client.query(messages(place, slice), [TEXTS])
    for (const statement of ledgerAndLog(place, slice)) await client.query(statement)
    say(`history: ${Math.min(count, first + SLICE)} of ${count} messages are there`)
  }
  await client.query('drop table pg_temp.planned')
  for (const definition of indexes) await client.query(definition)
  say('history: the indexes are there')
  await client.query('update workspaces set next_conversation_number = $1 where id = $2', [
    threads + 1,
    place.workspace_id,
  ])
  await client.query('vacuum (analyze)')
}

const literal = (at: Date) => `'${at.toISOString()}'::timestamptz`
const externalId = `'history-' || lpad(p.n::text, 9, '0')`

function peopleAndThreads(
  { workspace_id, inbox_id, channel_id }: Place,
  threads: number,
  authors: number,
  from: Date,
): string[] {
  const resolved = Math.floor(threads * (1 - WAITING_SHARE))
  const people = `generate_series(0::bigint, ${authors} - 1) as p (author)`
  return [
    `insert into contacts (workspace_id, id, name, created_at, updated_at)
     select '${workspace_id}', ${contactId(from)}, 'Zoë Müller ' || p.author, ${literal(from)}, ${literal(from)}
     from ${people}`,
    `insert into contact_identities (workspace_id, id, contact_id, network, external_id, handle, display_name,
       created_at, updated_at)
     select '${workspace_id}', ${identityId(from)}, ${contactId(from)}, 'generic:${channel_id}',
       'history-author-' || lpad(p.author::text, 9, '0'), 'author' || p.author, 'Zoë Müller ' || p.author,
       ${literal(from)}, ${literal(from)}
     from ${people}`,
    `insert into conversations (workspace_id, id, number, inbox_id, channel_id, contact_id, thread_key, status,
       waiting_since, last_message_at, resolved_at, created_at, updated_at, first_message_at, first_external_id)
     select '${workspace_id}', p.conversation_id, p.thread + 1, '${inbox_id}', '${channel_id}', p.contact_id,
       'history-thread-' || lpad(p.thread::text, 9, '0'), case when p.thread < ${resolved} then 'resolved' else 'open' end,
       case when p.thread >= ${resolved} then p.at end, last.at,
       case when p.thread < ${resolved} then last.at + interval '1 hour' end, p.at, last.at, p.at, ${externalId}
     from planned p join (select thread, max(at) as at from planned group by thread) last using (thread)
     where p.opens order by p.thread`,
    `insert into waits (workspace_id, id, conversation_id, contact_id, ordinal, opened_at, opened_by_message_id,
       network_lag_ms, ingest_lag_ms, closed_at)
     select '${workspace_id}', ${idAt('wait')}, p.conversation_id, p.contact_id, 1, p.at,
       ${idAt('message')}, 0, 0, case when p.thread < ${resolved} then p.at + interval '1 hour' end
     from (select distinct on (thread, author) * from planned order by thread, author, n) p`,
  ]
}

function messages({ workspace_id, channel_id }: Place, slice: string): string {
  return `insert into messages (workspace_id, id, conversation_id, channel_id, direction, kind, visibility, state,
      author_type, contact_id, body, external_id, occurred_at, received_at, processed_at, version_at)
    select '${workspace_id}', ${idAt('message')}, p.conversation_id, '${channel_id}', 'inbound', 'comment',
      'public', 'received', 'contact', p.contact_id, ($1::text[])[1 + p.n % ${TEXTS.length}], ${externalId},
      p.at, p.at, p.at, p.at
    from planned p where ${slice} order by p.n`
}

function ledgerAndLog({ workspace_id, inbox_id, channel_id }: Place, slice: string): string[] {
  return [
    `insert into inbound_events (workspace_id, id, channel_id, dedup_key, lane, source, received_at, state, occurred_at,
       processed_at)
     select '${workspace_id}', ${idAt('inbound')}, '${channel_id}', 'evt-' || ${externalId}, p.thread % ${ALL_LANES.length},
       'webhook', p.at, 'done', p.at, p.at
     from planned p where ${slice} order by p.n`,
    `insert into events (workspace_id, id, type, at, actor_type, conversation_id, data)
     select '${workspace_id}', ${idAt('created')}, 'conversation.created', p.at, 'system', p.conversation_id,
       json_build_object('number', p.thread + 1, 'inbox_id', '${inbox_id}', 'channel_id', '${channel_id}',
         'contact_id', p.contact_id, 'subject', null)
     from planned p where ${slice} and p.opens order by p.n`,
    `insert into events (workspace_id, id, type, at, actor_type, actor_id, conversation_id, data)
     select '${workspace_id}', ${idAt('received')}, 'message.received', p.at, 'contact', p.contact_id,
       p.conversation_id, json_build_object('message_id', ${idAt('message')}, 'external_id', ${externalId},
         'channel_id', '${channel_id}', 'kind', 'comment', 'visibility', 'public', 'occurred_at', p.at, 'received_at', p.at)
     from planned p where ${slice} order by p.n`,
  ]
}
