import type { ConnectorBounce, ConnectorEvent, ConnectorMessage } from '@parley/contracts'
import type { ClosedEvent, Deletion, PendingEvent } from '@parley/db'
import { boundedKey } from './bounded-key.ts'
import type { DescribedAuthor } from './resolve-contacts.ts'

/** One row of the ledger, described by its connector. */
export type NormalisedEvent = Pick<PendingEvent, 'id' | 'lane' | 'source' | 'received_at'> & { event: ConnectorEvent }

/** What a message said at one time. */
export type Version = Pick<ConnectorMessage, 'text' | 'html' | 'text_marks' | 'attachments'> & {
  version_at: Date
  received_at: Date
}

/** A message of the batch in its newest version, its times parsed, `occurred_at` not after it was received. */
export type Arrival = Omit<ConnectorMessage, 'type' | 'occurred_at' | 'version_at'> &
  Version & {
    occurred_at: Date
    /** True while only a backfill has brought it: it is history, nobody waits for its answer. */
    history: boolean
    /** Its other versions. */
    older: Version[]
  }

/** One entry per message of the batch, in the order of the thread: by its time, then by its network id. */
export function readArrivals(batch: NormalisedEvent[]): Arrival[] {
  const arrivals = new Map<string, Arrival>()
  for (const { event, received_at, source } of batch) {
    if (event.type !== 'message') continue
    const arrival = arrivalOf(event, received_at, source === 'backfill')
    // Who writes a mail chooses its id: two writers' are two messages. Which keeps the id is decided later.
    const key = arrival.thread_hints ? `${arrival.external_id} ${arrival.author.external_id}` : arrival.external_id
    const known = arrivals.get(key)
    arrivals.set(key, known ? joined(known, arrival) : arrival)
  }
  // A stamp from the future would stand before everything that is said in the meantime.
  for (const arrival of arrivals.values()) arrival.occurred_at = earlier(arrival.occurred_at, arrival.received_at)
  return [...arrivals.values()].sort(byThreadOrder)
}

/** The order of a thread. Two messages of the same moment stand in the order of their network ids. */
export function byThreadOrder(
  a: { occurred_at: Date; external_id: string },
  b: { occurred_at: Date; external_id: string },
): number {
  return (
    a.occurred_at.getTime() - b.occurred_at.getTime() ||
    Buffer.compare(Buffer.from(a.external_id), Buffer.from(b.external_id))
  )
}

function arrivalOf({ type: _, ...message }: ConnectorMessage, received_at: Date, history: boolean): Arrival {
  return {
    ...message,
    external_id: boundedKey(message.external_id),
    thread_key: boundedKey(message.thread_key),
    parent_external_id: message.parent_external_id && boundedKey(message.parent_external_id),
    occurred_at: new Date(message.occurred_at),
    version_at: new Date(message.version_at),
    received_at,
    history,
    older: [],
  }
}

/** Two deliveries of one message: the newer version, as received first. */
function joined(a: Arrival, b: Arrival): Arrival {
  const [newer, other] = compareVersions(a, b) < 0 ? [b, a] : [a, b]
  return {
    ...newer,
    received_at: earlier(a.received_at, b.received_at),
    history: a.history && b.history,
    older: [...a.older, ...b.older, versionOf(other)].filter(version => compareVersions(version, newer) !== 0),
  }
}

export function versionOf({ text, html, text_marks, attachments, version_at, received_at }: Version): Version {
  return { text, html, text_marks, attachments, version_at, received_at }
}

/** Of two versions of the same moment the greater text counts: any rule will do that no order of arrival can change. */
export function compareVersions(a: { version_at: Date; text: string }, b: { version_at: Date; text: string }): number {
  return (
    a.version_at.getTime() - b.version_at.getTime() ||
    (a.text === b.text ? 0 : Buffer.compare(Buffer.from(a.text), Buffer.from(b.text)))
  )
}

/** Which customers wrote, as described by every version that came: the newest description may be on any of them. */
export function readAuthors(batch: NormalisedEvent[]): DescribedAuthor[] {
  return batch.flatMap(({ event }) =>
    event.type === 'message' && !event.from_us
      ? [{ author: event.author, version_at: new Date(event.version_at) }]
      : [],
  )
}

/** What of ours came back, in the order in which it is told. */
export function readBounces(batch: NormalisedEvent[]): ConnectorBounce[] {
  return batch.flatMap(({ event }) => (event.type === 'bounce' ? [event] : []))
}

/** One deletion per message of the batch, the earliest: a message is deleted once. */
export function readDeletions(batch: NormalisedEvent[], channel_id: string): Deletion[] {
  const earliest = new Map<string, Date>()
  for (const { event } of batch) {
    if (event.type !== 'deletion') continue
    const external_id = boundedKey(event.external_id)
    const version_at = new Date(event.version_at)
    earliest.set(external_id, earlier(earliest.get(external_id) ?? version_at, version_at))
  }
  return [...earliest].map(([external_id, version_at]) => ({ channel_id, external_id, version_at }))
}

/** How each row of the ledger is closed. */
export function readClosed(batch: NormalisedEvent[]): ClosedEvent[] {
  return batch.map(({ id, lane, event }) => ({
    id,
    lane,
    occurred_at: event.type === 'message' ? new Date(event.occurred_at) : null,
    state: event.type === 'ignored' ? 'ignored' : 'done',
  }))
}

const earlier = (a: Date, b: Date) => (b < a ? b : a)
