import {
  type Channel,
  findParticipants,
  findThreadsByReplyToken,
  findThreadsOfMessages,
  listRecentThreads,
  type RecentThread,
  type ThreadedMessage,
  type Trx,
} from '@parley/db'
import { normaliseSubject } from '@parley/domain'
import { boundedKey } from './bounded-key.ts'
import type { Arrival } from './read-batch.ts'
import { identityNetwork } from './resolve-contacts.ts'

const CONTINUES_MS = 14 * 86_400_000

type HintedArrival = Arrival & { thread_hints: NonNullable<Arrival['thread_hints']> }

/** What is known of threads: from the database, and from the mails of the batch that were looked at before. */
type Known = {
  messages: Map<string, ThreadedMessage>
  byToken: Map<string, string>
  participants: Map<string, Set<string>>
  recent: RecentThread[]
}

/**
 * Gives messages whose thread cannot be told from themselves the one they belong to. The first of these that leads
 * somewhere: the token in an address, a message it refers to, the subject. Whoever is not part of a conversation joins
 * it by a token alone: the ids of messages are no secrets. A second message under a known id by another writer gets an
 * id of its own. Costs nothing where no message has hints.
 * @param arrivals in the order of the thread; their thread keys, ids and parents are changed
 * @returns them without those that say under the same id what another of them says
 */
export async function resolveThreads(trx: Trx, channel: Channel, arrivals: Arrival[]): Promise<Arrival[]> {
  const hinted = arrivals.filter((arrival): arrival is HintedArrival => arrival.thread_hints !== undefined)
  if (hinted.length === 0) return arrivals
  for (const arrival of hinted) arrival.thread_hints = boundedHints(arrival.thread_hints)
  const known = await lookUp(trx, channel, hinted)
  const taken = new Set<string>()
  const repeated = new Set<Arrival>()
  for (const arrival of hinted) {
    claimId(arrival, known)
    if (taken.has(arrival.external_id)) repeated.add(arrival)
    taken.add(arrival.external_id)
    const before = known.messages.get(arrival.external_id)
    if (before) arrival.thread_key = before.thread_key
    else place(arrival, known)
    remember(arrival, known)
  }
  return arrivals.filter(arrival => !repeated.has(arrival))
}

/** In the form in which they are stored. */
function boundedHints(hints: HintedArrival['thread_hints']): HintedArrival['thread_hints'] {
  return { ...hints, references: hints.references.map(boundedKey) }
}

async function lookUp(trx: Trx, channel: Channel, hinted: HintedArrival[]): Promise<Known> {
  const hints = hinted.map(({ thread_hints }) => thread_hints)
  const ids = hinted.flatMap(arrival => [arrival.external_id, otherId(arrival), ...arrival.thread_hints.references])
  const continuing = hinted.filter(({ thread_hints }) => thread_hints.subject !== null)
  const since = new Date(Math.min(...continuing.map(writtenAt)) - CONTINUES_MS)
  const [messages, byToken, recent] = await Promise.all([
    findThreadsOfMessages(trx, channel.id, identityNetwork(channel), unique(ids)),
    findThreadsByReplyToken(trx, channel.id, unique(hints.flatMap(({ reply_tokens }) => reply_tokens))),
    continuing.length > 0
      ? listRecentThreads(trx, channel.id, unique(continuing.map(({ author }) => author.external_id)), since)
      : [],
  ])
  const threads = [
    ...hinted.map(({ thread_key }) => thread_key),
    ...[...messages.values()].map(message => message.thread_key),
  ]
  const found = await findParticipants(trx, channel.id, unique(threads))
  const participants = new Map([...found].map(([thread_key, addresses]) => [thread_key, new Set(addresses)]))
  return { messages, byToken, participants, recent }
}

/** Ids are chosen by whoever writes: one that is taken by another writer's message is not this one's. */
function claimId(arrival: HintedArrival, { messages }: Known): void {
  const taken = messages.get(arrival.external_id)
  if (!taken) return
  const same = arrival.from_us
    ? taken.direction === 'outbound'
    : taken.direction === 'inbound' &&
      (taken.writers.includes(boundedKey(arrival.author.external_id)) || taken.body === arrival.text)
  if (!same) arrival.external_id = otherId(arrival)
}

const otherId = ({ external_id, thread_hints }: HintedArrival) =>
  boundedKey(`${external_id}#${thread_hints.content_hash}`)

function place(arrival: HintedArrival, known: Known): void {
  const found = findByToken(arrival, known) ?? findByReference(arrival, known)
  if (found) arrival.thread_key = found
  else if (!known.participants.has(arrival.thread_key))
    arrival.thread_key = findBySubject(arrival, known) ?? arrival.thread_key
  else if (!isPartOf(arrival.thread_key, arrival, known)) {
    arrival.thread_key = boundedKey(`alone:${arrival.external_id}`)
    arrival.parent_external_id = null
  }
}

function findByToken({ thread_hints }: HintedArrival, { byToken }: Known): string | undefined {
  return thread_hints.reply_tokens.map(token => byToken.get(token)).find(thread_key => thread_key !== undefined)
}

function findByReference(arrival: HintedArrival, known: Known): string | undefined {
  return arrival.thread_hints.references
    .map(id => known.messages.get(id)?.thread_key)
    .find(thread_key => thread_key !== undefined && isPartOf(thread_key, arrival, known))
}

function isPartOf(thread_key: string, { thread_hints }: HintedArrival, { participants }: Known): boolean {
  const those = participants.get(thread_key)
  return thread_hints.participants.some(address => those?.has(address))
}

function findBySubject({ author, thread_hints }: HintedArrival, { recent }: Known): string | undefined {
  const { subject, written_at } = thread_hints
  if (subject === null) return undefined
  const since = Date.parse(written_at) - CONTINUES_MS
  return recent.find(
    thread =>
      thread.address === author.external_id &&
      thread.last_message_at.getTime() >= since &&
      normaliseSubject(thread.subject) === subject,
  )?.thread_key
}

/** The mails that follow in the batch refer to this one as if it were stored. */
function remember(arrival: HintedArrival, known: Known): void {
  const { external_id, thread_key, author, text, subject, occurred_at, from_us, thread_hints } = arrival
  known.messages.set(external_id, {
    external_id,
    thread_key,
    direction: from_us ? 'outbound' : 'inbound',
    body: text,
    writers: [boundedKey(author.external_id)],
  })
  const participants = known.participants.get(thread_key) ?? new Set()
  for (const address of thread_hints.participants) participants.add(address)
  known.participants.set(thread_key, participants)
  if (subject === null) return
  for (const address of thread_hints.participants)
    known.recent.unshift({ address, thread_key, subject, last_message_at: occurred_at })
}

const writtenAt = ({ thread_hints }: HintedArrival) => Date.parse(thread_hints.written_at)
const unique = (values: string[]) => [...new Set(values)]
