import type { ConnectorEvent, ConnectorMessage } from '@parley/contracts'
import {
  appendEvents,
  type Channel,
  type Conversation,
  closeInboundEvents,
  type Deletion,
  findMessagesByExternalId,
  findTombstones,
  insertTombstones,
  markEdited,
  type NewEvent,
  newId,
  type Trx,
  touchConversations,
  type UpsertedMessage,
  upsertInboundMessages,
} from '@parley/db'
import { SYSTEM, statusAfterCustomerMessage } from '@parley/domain'
import { applyDeletions } from './apply-deletions.ts'
import { boundedKey } from './bounded-key.ts'
import { openThreads } from './open-threads.ts'
import { openWaits } from './open-waits.ts'
import { type DescribedAuthor, resolveContacts } from './resolve-contacts.ts'

/** One row of the ledger, described by its connector. */
export type NormalisedEvent = { inbound_event_id: string; received_at: Date; event: ConnectorEvent }

/** A message of the batch in its newest version, its times parsed, `occurred_at` not after it was received. */
export type Arrival = Omit<ConnectorMessage, 'type' | 'from_us' | 'occurred_at' | 'version_at'> & {
  occurred_at: Date
  version_at: Date
  received_at: Date
  /** True when the batch holds several versions. */
  edited: boolean
}

/**
 * Turns a batch of one channel's events into contacts, conversations, messages, waits and log entries, and closes
 * their ledger rows, all in the caller's transaction and with a fixed number of statements however large the batch.
 * Applying an event twice changes nothing the second time, and neither the order of events nor how they are cut into
 * batches makes a difference to what stands there in the end.
 */
export async function applyInbound(trx: Trx, channel: Channel, batch: NormalisedEvent[], now: Date): Promise<void> {
  const deletions = deletionsOf(batch, channel)
  // Before the messages, so that one which is deleted in the same batch is never seen: nobody waits for its answer.
  await insertTombstones(trx, deletions)
  const events = await applyMessages(trx, channel, batch, now)
  events.push(...(await applyDeletions(trx, channel, deletions, now)))
  await appendEvents(trx, events)
  const ignored = batch.filter(({ event }) => isIgnored(event)).map(row => row.inbound_event_id)
  const done = batch.filter(({ event }) => !isIgnored(event)).map(row => row.inbound_event_id)
  await closeInboundEvents(trx, done, 'done', now)
  await closeInboundEvents(trx, ignored, 'ignored', now)
}

/** Our own posts come back from networks: they are not customers and open nothing. */
function isIgnored(event: ConnectorEvent): boolean {
  return event.type === 'ignored' || (event.type === 'message' && event.from_us)
}

/** One entry per message of the batch, the newest version of each, in the order of the thread. */
function newestVersions(batch: NormalisedEvent[]): Arrival[] {
  const newest = new Map<string, Arrival>()
  for (const { event, received_at } of batch) {
    if (event.type !== 'message' || event.from_us) continue
    const arrival = arrivalOf(event, received_at)
    const known = newest.get(arrival.external_id)
    newest.set(arrival.external_id, known ? newerOf(known, arrival) : arrival)
  }
  return (
    [...newest.values()]
      // A stamp from the future would stand before everything that is said in the meantime.
      .map(arrival => ({ ...arrival, occurred_at: earlier(arrival.occurred_at, arrival.received_at) }))
      .sort((a, b) => a.occurred_at.getTime() - b.occurred_at.getTime() || (a.external_id < b.external_id ? -1 : 1))
  )
}

function arrivalOf({ type: _, from_us: __, ...message }: ConnectorMessage, received_at: Date): Arrival {
  return {
    ...message,
    external_id: boundedKey(message.external_id),
    thread_key: boundedKey(message.thread_key),
    parent_external_id: message.parent_external_id && boundedKey(message.parent_external_id),
    occurred_at: new Date(message.occurred_at),
    version_at: new Date(message.version_at),
    received_at,
    edited: false,
  }
}

/** Two versions of one message: the newer text, as received first. Ties are broken as upsertInboundMessages does. */
function newerOf(a: Arrival, b: Arrival): Arrival {
  const order =
    a.version_at.getTime() - b.version_at.getTime() || Buffer.compare(Buffer.from(a.text), Buffer.from(b.text))
  return {
    ...(order < 0 ? b : a),
    received_at: earlier(a.received_at, b.received_at),
    edited: a.edited || b.edited || order !== 0,
  }
}

/** Who wrote, as described by every version that came: the newest description may be on any of them. */
function authorsOf(batch: NormalisedEvent[]): DescribedAuthor[] {
  return batch.flatMap(({ event }) =>
    event.type === 'message' && !event.from_us
      ? [{ author: event.author, version_at: new Date(event.version_at) }]
      : [],
  )
}

/** One deletion per message of the batch, the earliest: a message is deleted once. */
function deletionsOf(batch: NormalisedEvent[], channel: Channel): Deletion[] {
  const earliest = new Map<string, Date>()
  for (const { event } of batch) {
    if (event.type !== 'deletion') continue
    const external_id = boundedKey(event.external_id)
    const version_at = new Date(event.version_at)
    earliest.set(external_id, earlier(earliest.get(external_id) ?? version_at, version_at))
  }
  return [...earliest].map(([external_id, version_at]) => ({ channel_id: channel.id, external_id, version_at }))
}

async function applyMessages(trx: Trx, channel: Channel, batch: NormalisedEvent[], now: Date): Promise<NewEvent[]> {
  const arrivals = newestVersions(batch)
  if (arrivals.length === 0) return []
  const external_ids = arrivals.map(arrival => arrival.external_id)
  const known = await findMessagesByExternalId(trx, channel.id, external_ids)
  const fresh = arrivals.filter(arrival => !known.has(arrival.external_id))
  const tombstones = await findTombstones(trx, channel.id, external_ids)
  const contactOf = await resolveContacts(trx, channel, authorsOf(batch), now)
  const threads = await openThreads(trx, channel, fresh, tombstones, contactOf, now)

  const rows = arrivals.map(arrival =>
    messageRow(arrival, channel.id, now, {
      conversation_id: known.get(arrival.external_id)?.conversation_id ?? threads.conversationOf(arrival.thread_key),
      contact_id: contactOf(arrival.author.external_id),
      deleted_at: tombstones.get(arrival.external_id) ?? null,
    }),
  )
  const changes = new Map<string, UpsertedMessage>()
  for (const message of await upsertInboundMessages(trx, rows)) changes.set(message.external_id, message)
  const unchanged = rows.filter(row => !changes.has(row.external_id))
  for (const message of await markEdited(trx, unchanged)) changes.set(message.external_id, message)

  const inserted = rows.filter(row => changes.get(row.external_id)?.change === 'inserted')
  const visible = inserted.filter(row => !row.deleted_at)
  const existing = [...threads.existing.values()]
  const waits = await openWaits(
    trx,
    channel,
    visible,
    existing.map(row => row.id),
    now,
  )
  const reopened = await moveOn(trx, existing, inserted, waits.waitingSince, now)
  return [...threads.events, ...rows.flatMap(row => messageEvents(row, changes, now)), ...reopened, ...waits.events]
}

function messageRow(
  arrival: Arrival,
  channel_id: string,
  now: Date,
  place: { conversation_id: string; contact_id: string; deleted_at: Date | null },
) {
  return {
    id: newId(now),
    channel_id,
    ...place,
    direction: 'inbound' as const,
    kind: arrival.kind,
    visibility: arrival.visibility,
    state: 'received' as const,
    author_type: 'contact' as const,
    body: arrival.text,
    external_id: arrival.external_id,
    parent_external_id: arrival.parent_external_id,
    permalink: arrival.permalink,
    reply_context: arrival.reply_context,
    occurred_at: arrival.occurred_at,
    received_at: arrival.received_at,
    processed_at: now,
    version_at: arrival.version_at,
    edited_at: arrival.edited ? arrival.version_at : null,
    resolve_after: false,
  }
}
type MessageRow = ReturnType<typeof messageRow>

function messageEvents(row: MessageRow, changes: Map<string, UpsertedMessage>, now: Date): NewEvent[] {
  const message = changes.get(row.external_id)
  if (!message) return []
  const { conversation_id, deleted_at } = row
  const common = { at: now, actor: { type: 'contact' as const, id: row.contact_id }, conversation_id }
  const id = { message_id: message.id, external_id: row.external_id }
  const event: NewEvent = {
    ...common,
    type: message.change === 'inserted' ? 'message.received' : 'message.updated',
    data: {
      ...id,
      channel_id: row.channel_id,
      kind: row.kind,
      visibility: row.visibility,
      occurred_at: row.occurred_at,
      received_at: row.received_at,
    },
  }
  if (message.change !== 'inserted' || !deleted_at) return [event]
  return [event, { ...common, type: 'message.deleted', data: { ...id, deleted_at } }]
}

/**
 * Existing conversations follow what customers wrote in them: open again, waiting, newest first. A message that is
 * deleted already moves a conversation in the list, as it would have before its deletion, and opens nothing.
 */
async function moveOn(
  trx: Trx,
  conversations: Conversation[],
  inserted: MessageRow[],
  waitingSince: Map<string, Date>,
  now: Date,
): Promise<NewEvent[]> {
  const newest = new Map<string, Date>()
  const spokenTo = new Set<string>()
  for (const { conversation_id, occurred_at, deleted_at } of inserted) {
    newest.set(conversation_id, later(newest.get(conversation_id) ?? occurred_at, occurred_at))
    if (!deleted_at) spokenTo.add(conversation_id)
  }
  const touched = conversations.filter(row => newest.has(row.id))
  const statusOf = (row: Conversation) => (spokenTo.has(row.id) ? statusAfterCustomerMessage(row.status) : row.status)
  const touches = touched.map(row => ({
    id: row.id,
    status: statusOf(row),
    waiting_since: earliest(row.waiting_since, waitingSince.get(row.id) ?? null),
    last_message_at: later(row.last_message_at, newest.get(row.id)!),
    updated_at: now,
  }))
  await touchConversations(trx, touches)
  return touched
    .filter(row => statusOf(row) !== row.status)
    .map(row => ({
      type: 'conversation.reopened' as const,
      at: now,
      actor: SYSTEM,
      conversation_id: row.id,
      data: { status: 'open' },
      previous: { status: row.status },
    }))
}

const earlier = (a: Date, b: Date) => (b < a ? b : a)
const later = (a: Date, b: Date) => (b > a ? b : a)
const earliest = (a: Date | null, b: Date | null) => (a && b ? earlier(a, b) : (a ?? b))
