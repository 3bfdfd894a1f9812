import { setImmediate as othersFirst } from 'node:timers/promises'
import {
  addAttachments,
  adoptChildren,
  appendEvents,
  type Channel,
  changeMessages,
  closeInboundEvents,
  findParents,
  findReopenWindow,
  findTombstones,
  type IdentityProfile,
  insertConversations,
  insertMessages,
  insertTombstones,
  insertVersions,
  type KnownMessage,
  listComeAlive,
  lockConversations,
  lockConversationsByThread,
  lockKnownMessages,
  type NewEvent,
  releaseThreads,
  removeAttachments,
  type ThreadConversation,
  type Trx,
  updateIdentityProfiles,
  upsertPosts,
} from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { addressConversations } from './address-conversations.ts'
import { answerNatively } from './answer-natively.ts'
import { applyBounces } from './apply-bounces.ts'
import { applyDeletions } from './apply-deletions.ts'
import { changeOf, supersededVersions, updatedEvent } from './change-message.ts'
import { dispositionEvents } from './disposition-events.ts'
import { forgetErased } from './forget-erased.ts'
import { type MessageRow, messageRow, receivedEvents } from './message-row.ts'
import { moveConversations } from './move-conversations.ts'
import { type NewConversation, openThreads } from './open-threads.ts'
import { openWaits, type UnansweredMessage } from './open-waits.ts'
import { placeOnPosts, postEvents } from './place-on-posts.ts'
import { readAttachments } from './read-attachments.ts'
import {
  type Arrival,
  type NormalisedEvent,
  readArrivals,
  readAuthors,
  readBounces,
  readClosed,
  readDeletions,
} from './read-batch.ts'
import { readPosts } from './read-posts.ts'
import { recogniseEchoes } from './recognise-echoes.ts'
import { resolveContacts } from './resolve-contacts.ts'
import { resolveThreads } from './resolve-threads.ts'
import { loadPromises, type Promises } from './sla/promises.ts'
import { type ChangedConversation, settleClocks } from './sla/settle-clocks.ts'
import { followWindows } from './sla/window-clocks.ts'

/**
 * Turns a batch of one channel's events into contacts, conversations, messages, waits and log entries, and closes
 * their ledger rows, all in the caller's transaction and with a fixed number of statements however large the batch.
 * Applying an event twice changes nothing the second time, and neither the order of events nor how they are cut into
 * batches makes a difference to what stands there in the end.
 * @param nextNumber gives each new conversation its number
 */
export async function applyInbound(
  trx: Trx,
  channel: Channel,
  received: NormalisedEvent[],
  nextNumber: () => number,
  now: Date,
): Promise<void> {
  const batch = await forgetErased(trx, channel, received, now)
  const deletions = readDeletions(batch, channel.id)
  // Before the messages, so that one which is deleted in the same batch is never seen: nobody waits for its answer.
  await insertTombstones(trx, deletions)
  const { events, described, clocked, windowed, promises } = await applyMessages(trx, channel, batch, nextNumber, now)
  events.push(...(await applyDeletions(trx, channel, deletions, now)))
  const bounces = readBounces(batch)
  if (bounces.length > 0) {
    // They log for themselves, and behind what they may take back.
    await appendEvents(trx, events.splice(0))
    await applyBounces(trx, channel, bounces, now)
  }
  await Promise.all([
    appendEvents(trx, events),
    closeInboundEvents(trx, channel.id, readClosed(batch), now),
    // Last: authors write in many threads, and another lane's drain waits for whom this one has changed.
    updateIdentityProfiles(trx, described, now).then(renamed => appendEvents(trx, renamed.map(renamedEvent(now)))),
  ])
  await settleClocks(trx, [...new Map(clocked.map(row => [row.id, row])).values()], SYSTEM, now, promises)
  if (windowed.length > 0) await followWindows(trx, unique(windowed), 'window_gone', now)
}

const renamedEvent =
  (now: Date) =>
  (contact_id: string): NewEvent => ({
    type: 'contact.updated',
    at: now,
    actor: { type: 'contact', id: contact_id },
    data: { contact_id, changed: ['name'] },
  })

/** What there is to log and to write last. */
type Applied = {
  events: NewEvent[]
  described: IdentityProfile[]
  clocked: ChangedConversation[]
  /** Conversations in which something was said that its network takes an answer to only for a while. */
  windowed: string[]
  promises?: Promises
}

async function applyMessages(
  trx: Trx,
  channel: Channel,
  batch: NormalisedEvent[],
  nextNumber: () => number,
  now: Date,
): Promise<Applied> {
  const read = readArrivals(batch)
  if (read.length === 0) return { events: [], described: [], clocked: [], windowed: [] }
  await recogniseEchoes(trx, channel, read, now)
  const arrivals = await resolveThreads(trx, channel, read)

  const told = readPosts(batch, channel.id, now)
  const external_ids = arrivals.map(arrival => arrival.external_id)
  const parent_ids = unique(arrivals.flatMap(arrival => arrival.parent_external_id ?? []))
  // Sent together. Conversations are locked before messages, as everywhere.
  const [conversations, known, tombstones, parents, promises, people, posts] = await Promise.all([
    lockConversationsByThread(trx, channel.id, unique(arrivals.map(arrival => arrival.thread_key)), parent_ids),
    lockKnownMessages(trx, channel.id, external_ids),
    findTombstones(trx, channel.id, external_ids),
    findParents(trx, channel.id, parent_ids),
    loadPromises(trx, channel),
    resolveContacts(trx, channel, readAuthors(batch), now),
    upsertPosts(trx, channel.id, told.posts),
  ])
  const { contactOf, described, events: met } = people
  const postOf = await placeOnPosts(trx, told, posts, conversations)
  await othersFirst()
  await lockElsewhere(trx, conversations, known)
  const reopens = conversations.some(row => row.status === 'resolved')
  const window_seconds = reopens ? await findReopenWindow(trx, channel.inbox_id) : null
  const fresh = arrivals.filter(arrival => !known.has(arrival.external_id))
  const threads = openThreads(
    channel,
    fresh,
    conversations,
    tombstones,
    contactOf,
    postOf,
    nextNumber,
    promises,
    window_seconds,
    now,
  )
  const writeAddresses = await addressConversations(trx, fresh, threads.conversationOf, now)

  // Nobody answers spam, so nobody waits in it.
  const spam = new Set(conversations.flatMap(row => (row.status === 'spam' ? row.id : [])))
  const rows = new Map<string, MessageRow>()
  for (const arrival of fresh) {
    const parent = parents.get(arrival.parent_external_id ?? '')
    const { id: conversation_id } = threads.conversationOf(arrival)
    const row = messageRow(arrival, now, {
      channel_id: channel.id,
      conversation_id,
      thread_conversation_id: threads.threadOf(arrival),
      contact_id: arrival.from_us ? (parent?.contact_id ?? null) : contactOf(arrival.author.external_id),
      in_reply_to: parent?.id ?? null,
      deleted_at: tombstones.get(arrival.external_id) ?? null,
      spam_at: !arrival.from_us && spam.has(conversation_id) ? now : null,
    })
    rows.set(arrival.external_id, row)
  }
  for (const row of rows.values()) {
    const parent = rows.get(row.parent_external_id ?? '')
    row.in_reply_to ??= parent?.id ?? null
    row.contact_id ??= parent?.contact_id ?? null
  }

  const changes = arrivals.flatMap(arrival => changeOf(arrival, known.get(arrival.external_id)) ?? [])
  const versions = arrivals.flatMap(arrival =>
    supersededVersions(arrival, known.get(arrival.external_id), rows.get(arrival.external_id)?.id),
  )
  const unanswered = arrivals
    .flatMap(arrival => unansweredOf(arrival, known, rows) ?? [])
    .filter(message => !spam.has(message.conversation_id))
  const inserted = [...rows.values()]
  await othersFirst()
  // Before those that follow: a thread is held once.
  await releaseThreads(trx, threads.followed, now)
  // Sent one behind the other: PostgreSQL works on the first while the last are still written.
  const writeMessages = () => [
    insertMessages(trx, inserted),
    changeMessages(trx, changes),
    insertVersions(trx, versions),
    adoptChildren(trx, channel.id, inserted),
  ]
  const [waits] = await Promise.all([
    insertConversations(trx, threads.created).then(async () => {
      await writeAddresses()
      return openWaits(trx, channel, unanswered, conversations, promises, now)
    }),
    othersFirst().then(() => Promise.all(writeMessages())),
  ])
  const files = readAttachments(channel, arrivals, known, rows, now)
  if (files) await Promise.all([removeAttachments(trx, files.outdated), addAttachments(trx, files.rows)])
  const spoken = { inserted, unanswered, waiting: waits.waiting, postOf }
  const moved = await moveConversations(trx, conversations, fresh, threads, spoken, contactOf, now)
  const alive = changes.filter(change => !change.from_history && known.get(change.external_id)?.from_history)
  const comeAlive = dispositionEvents(
    await listComeAlive(
      trx,
      alive.map(({ id }) => id),
    ),
    SYSTEM,
    now,
  )
  const answered = await answerNatively(trx, channel, inserted, conversations, now)
  await othersFirst()
  const teams = new Map(conversations.map(row => [row.id, row.team_id]))
  const events = [
    ...met,
    ...postEvents(posts, channel.id, now),
    ...threads.events,
    ...inserted.flatMap(row => receivedEvents(row, teams.get(row.conversation_id) ?? null, now)),
    ...changes.map(change => updatedEvent(change, now)),
    ...comeAlive,
    ...moved.events,
    ...waits.events,
    ...answered.events,
  ]
  const wereIn = new Map(conversations.map(({ id, status }) => [id, status]))
  // Where no policy promises anything of a conversation as a whole, only what was in another state may have such clocks.
  const may = (row: ChangedConversation) => promises.concernConversations || wereIn.get(row.id) !== row.status
  const clocked = [...moved.clocked.filter(may), ...answered.clocked]
  if (promises.concernConversations) clocked.push(...threads.created.map(begun))
  const told_until = [...inserted, ...changes, ...changes.map(change => known.get(change.external_id)!)]
  const windowed = told_until.flatMap(row => (row.reply_until ? row.conversation_id : []))
  return { events, described, clocked, windowed, promises }
}

/** Of a conversation that begins nobody has said anything yet. */
const begun = (row: NewConversation): ChangedConversation => ({
  ...row,
  ...{ priority: 'normal', assignee_id: null, team_id: null, language: null, changed: [] },
})

/** Rare: history that now comes by itself, and stands in a conversation that its thread is told in no longer. */
async function lockElsewhere(
  trx: Trx,
  conversations: ThreadConversation[],
  known: Map<string, KnownMessage>,
): Promise<void> {
  const locked = new Set(conversations.map(row => row.id))
  const ids = [...known.values()].filter(row => row.from_history && !locked.has(row.conversation_id))
  for (const row of await lockConversations(trx, unique(ids.map(message => message.conversation_id))))
    conversations.push({ ...row, threads: {}, parents: [] })
}

/** A message of a customer that somebody has to answer: a new one, or one of the history that now comes by itself. */
function unansweredOf(
  { external_id, from_us, history, automatic }: Arrival,
  known: Map<string, KnownMessage>,
  rows: Map<string, MessageRow>,
): UnansweredMessage | undefined {
  if (from_us || history || automatic) return undefined
  const before = known.get(external_id)
  if (before && !before.from_history) return undefined
  const { id, conversation_id, contact_id, occurred_at, received_at, deleted_at } = before ?? rows.get(external_id)!
  return deleted_at || !contact_id ? undefined : { id, conversation_id, contact_id, occurred_at, received_at }
}

const unique = (keys: string[]) => [...new Set(keys)]
