import { newId } from '@parley/db'
import type pg from 'pg'
import { type ColumnTypes, insertOf, readColumnTypes, type Statement } from './column-arrays.ts'
import { type CorpusMessage, webhookEvent } from './corpus.ts'
import { createDatabase, type Servers, withClient } from './servers.ts'

/** As many as the worker applies at once. */
const BATCH = 500

/** Rows of each table, in the order that foreign keys ask for. */
const TABLES = [
  'inbound_events',
  'inbound_payloads',
  'contacts',
  'contact_identities',
  'conversations',
  'messages',
  'waits',
  'events',
] as const
type Rows = Record<(typeof TABLES)[number], Record<string, unknown>[]>

export type BareSql = { databaseUrl: string; measure: (messages: CorpusMessage[]) => Promise<number> }

/**
 * What the same messages cost when a script that knows every row beforehand just inserts them: one statement per
 * table and 500 messages, one connection, no row-level security, rows ready as text before the clock starts: an array
 * per column, as the product sends them. The database is another one, with the same tables and indexes, which grows as
 * the measured one does.
 */
export async function prepareBareSql(servers: Servers): Promise<BareSql> {
  const { databaseUrl, workspace_id, inbox_id } = await createDatabase(servers, 'parley_bare')
  const types = await withClient(databaseUrl, readColumnTypes)
  let channels = 0
  let conversations = 0
  return {
    databaseUrl,
    measure: async messages => {
      const channel_id = newId(new Date())
      channels += 1
      return withClient(databaseUrl, async client => {
        await client.query(
          `insert into channels (workspace_id, id, inbox_id, kind, name, status, settings, credentials_sealed,
             connected_at, created_at)
           values ($1, $2, $3, 'generic', $4, 'active', '{}', '', now(), now())`,
          [workspace_id, channel_id, inbox_id, `bare ${channels}`],
        )
        const batches = createBatches(
          messages,
          { workspace_id, inbox_id, channel_id, first_number: conversations },
          types,
        )
        conversations += messages.filter(message => message.opens).length
        const start = performance.now()
        for (const batch of batches) await insertBatch(client, batch)
        return (performance.now() - start) / 1000
      })
    },
  }
}

async function insertBatch(client: pg.Client, statements: Statement[]): Promise<void> {
  await client.query('begin')
  for (const { text, values } of statements) await client.query(text, values)
  await client.query('commit')
}

type Place = { workspace_id: string; inbox_id: string; channel_id: string; first_number: number }

function createBatches(messages: CorpusMessage[], place: Place, types: ColumnTypes): Statement[][] {
  const known = { contacts: new Map<string, string>(), threads: new Map<string, string>(), waiting: new Set<string>() }
  const batches: Statement[][] = []
  for (let first = 0; first < messages.length; first += BATCH) {
    const rows = createRows(messages.slice(first, first + BATCH), place, known)
    batches.push(TABLES.filter(table => rows[table].length > 0).map(table => insertOf(table, rows[table], types)))
  }
  return batches
}

type Known = { contacts: Map<string, string>; threads: Map<string, string>; waiting: Set<string> }

/** The rows that the product makes of these messages. */
function createRows(messages: CorpusMessage[], place: Place, known: Known): Rows {
  const { workspace_id, inbox_id, channel_id, first_number } = place
  const now = new Date()
  const stamps = { created_at: now, updated_at: now }
  const rows: Rows = {
    inbound_events: [],
    inbound_payloads: [],
    contacts: [],
    contact_identities: [],
    conversations: [],
    messages: [],
    waits: [],
    events: [],
  }
  const addEvent = (
    type: string,
    actor_type: string,
    actor_id: string | null,
    conversation_id: string,
    data: unknown,
  ) => rows.events.push({ workspace_id, id: newId(now), type, at: now, actor_type, actor_id, conversation_id, data })

  for (const message of messages) {
    const { external_id, thread_id, author, created_at: occurred_at } = message
    const event_id = newId(now)
    rows.inbound_events.push({
      ...{ workspace_id, id: event_id, channel_id, dedup_key: message.id, lane: 0, source: 'webhook', occurred_at },
      ...{ received_at: now, state: 'done', attempts: 0, processed_at: now },
    })
    rows.inbound_payloads.push({ workspace_id, id: event_id, payload: webhookEvent(message) })

    let contact_id = known.contacts.get(author.platform_id)
    if (!contact_id) {
      contact_id = newId(now)
      known.contacts.set(author.platform_id, contact_id)
      rows.contacts.push({ workspace_id, id: contact_id, name: author.name, ...stamps })
      rows.contact_identities.push({
        ...{ workspace_id, id: newId(now), contact_id, network: `generic:${channel_id}` },
        ...{ external_id: author.platform_id, handle: author.handle, display_name: author.name, ...stamps },
      })
    }

    let conversation_id = known.threads.get(thread_id)
    if (!conversation_id) {
      conversation_id = newId(now)
      known.threads.set(thread_id, conversation_id)
      const number = first_number + known.threads.size
      rows.conversations.push({
        ...{ workspace_id, id: conversation_id, number, inbox_id, channel_id, contact_id, thread_key: thread_id },
        ...{ status: 'open', waiting_since: occurred_at, last_message_at: occurred_at, version: 1, ...stamps },
        ...{ first_message_at: occurred_at, first_external_id: external_id },
      })
      const data = { number, inbox_id, channel_id, contact_id, subject: null }
      addEvent('conversation.created', 'system', null, conversation_id, data)
    }

    const id = newId(now)
    rows.messages.push({
      ...{ workspace_id, id, conversation_id, channel_id, direction: 'inbound', kind: 'comment', visibility: 'public' },
      ...{ state: 'received', author_type: 'contact', contact_id, body: message.text, external_id, occurred_at },
      ...{ received_at: now, processed_at: now, version_at: occurred_at, resolve_after: false },
      ...{ body_marks: [], from_history: false },
    })
    const facts = { channel_id, external_id, kind: 'comment', visibility: 'public', occurred_at, received_at: now }
    addEvent('message.received', 'contact', contact_id, conversation_id, { message_id: id, ...facts })

    const waiting = `${conversation_id}:${contact_id}`
    if (known.waiting.has(waiting)) continue
    known.waiting.add(waiting)
    rows.waits.push({
      ...{ workspace_id, id: newId(now), conversation_id, contact_id, ordinal: 1, opened_at: occurred_at },
      ...{ opened_by_message_id: id, network_lag_ms: 0, ingest_lag_ms: 0 },
    })
  }
  return rows
}
