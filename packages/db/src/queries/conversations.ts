import { ConversationMerged, type ConversationStatus } from '@parley/domain'
import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import { insertRows, rowsOf } from '../rows.ts'
import type { Conversations } from '../tables.generated.ts'
import type { Message } from './messages.ts'

export type Conversation = Selectable<Conversations>
/** A conversation as clients read it, with the customer who began it; null while nobody but us has spoken. */
export type ConversationWithContact = Conversation & { contact: { id: string; name: string } | null }

/** Conversations with the person who began them, whoever they were merged into since. */
export const withContact = (trx: Trx) =>
  trx
    .selectFrom('conversations')
    .leftJoin('contacts', join =>
      join
        .onRef('contacts.workspace_id', '=', 'conversations.workspace_id')
        .onRef('contacts.id', '=', 'conversations.contact_id'),
    )
    .leftJoin('contacts as person', join =>
      join.onRef('person.workspace_id', '=', 'contacts.workspace_id').onRef('person.id', '=', 'contacts.merged_into'),
    )
    .selectAll('conversations')
    .select(eb => [
      eb.fn.coalesce('person.id', 'contacts.id').as('person_id'),
      eb.fn.coalesce('person.name', 'contacts.name').as('person_name'),
    ])

export function nestContact({
  person_id,
  person_name,
  ...row
}: Conversation & { person_id: string | null; person_name: string | null }): ConversationWithContact {
  return { ...row, contact: person_id && person_name !== null ? { id: person_id, name: person_name } : null }
}

export async function findConversation(trx: Trx, id: string): Promise<ConversationWithContact | undefined> {
  const row = await withContact(trx).where('conversations.id', '=', id).executeTakeFirst()
  return row && nestContact(row)
}

/**
 * Locks one conversation until the transaction ends; undefined when this workspace has none.
 * @throws ConversationMerged for one that is only a pointer to another
 */
export async function lockConversation(trx: Trx, id: string): Promise<Conversation | undefined> {
  const row = await trx.selectFrom('conversations').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
  if (row?.merged_into_id) throw new ConversationMerged(row.merged_into_id)
  return row
}

/** Locks the conversation in which a message stands, also when it is moved to another one while this waits for the lock. */
export async function lockConversationOf(trx: Trx, message_id: string): Promise<Conversation> {
  for (;;) {
    const { rows } = await sql<Conversation>`
      select c.* from (select conversation_id from messages where id = ${message_id} limit 1) m,
        lateral (select * from conversations where id = m.conversation_id for update) c`.execute(trx)
    const { rows: place } = await sql<{ conversation_id: string }>`
      select conversation_id from messages where id = ${message_id}`.execute(trx)
    if (!place[0]) throw new Error('a message is gone whose conversation was to be locked')
    if (rows[0] && rows[0].id === place[0]?.conversation_id) return rows[0]
  }
}

/**
 * Locks the conversations in which these messages stand, in id order; also those that are moved to another one while this
 * waits for a lock. Returns the messages as they are then; those that are not there are left out.
 */
export async function lockPlacesOf(trx: Trx, message_ids: string[]): Promise<Message[]> {
  const read = async () => {
    const { rows } = await sql<Message>`
      select m.* from unnest(${message_ids}::uuid[]) as wanted (id),
        lateral (select * from messages where id = wanted.id limit 1) m`.execute(trx)
    return rows
  }
  for (let messages = await read(); ; ) {
    const places = messages.map(({ conversation_id }) => conversation_id)
    const locked = new Set((await lockConversations(trx, places)).map(({ id }) => id))
    messages = await read()
    if (messages.every(({ conversation_id }) => locked.has(conversation_id))) return messages
  }
}

/** Locks these conversations in id order, so that two writers cannot deadlock; those that are not there are left out. */
export async function lockConversations(trx: Trx, ids: string[]): Promise<Conversation[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<Conversation>`
    select locked.* from (select distinct id from unnest(${ids}::uuid[]) as wanted (id) order by id) found,
      lateral (select * from conversations where id = found.id for update) locked`.execute(trx)
  return rows
}

/**
 * Writes a change and raises the version; the caller holds the row's lock. Whatever ends a snooze ends its time too, and
 * what is not open any more stays with whoever claimed it.
 */
export async function updateConversation(
  trx: Trx,
  id: string,
  change: Updateable<Conversations>,
): Promise<Conversation> {
  const awake = change.status && change.status !== 'snoozed' ? { snoozed_until: null } : {}
  const kept = change.status && change.status !== 'open' ? { claim_expires_at: null } : {}
  return trx
    .updateTable('conversations')
    .set(eb => ({ ...change, ...awake, ...kept, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
}

/**
 * A conversation that messages come into. `threads`: the rows that hold a thread of the network which is told here, by the
 * thread's key: itself, or what was merged into it. `parents`: which messages asked for stand here, where it was split off.
 */
export type ThreadConversation = Conversation & { threads: Record<string, string>; parents: string[] }

/**
 * Locks the conversations of these threads of the channel, and those that were split off and hold one of these messages, in
 * id order so that two writers cannot deadlock.
 * @param parent_ids network ids of messages
 */
export async function lockConversationsByThread(
  trx: Trx,
  channel_id: string,
  thread_keys: string[],
  parent_ids: string[],
): Promise<ThreadConversation[]> {
  for (;;) {
    const { rows } = await sql<ThreadConversation>`
      select locked.*, found.threads, found.parents from (
        select id, coalesce(jsonb_object_agg(thread_key, holder_id) filter (where thread_key is not null), '{}') as threads,
          coalesce(array_agg(parent) filter (where parent is not null), '{}') as parents
        from (
          select coalesce(c.merged_into_id, c.id) as id, wanted.thread_key, c.id as holder_id, null as parent
          from unnest(${thread_keys}::text[]) as wanted (thread_key),
            lateral (select id, merged_into_id from conversations
              where channel_id = ${channel_id} and thread_key = wanted.thread_key and thread_current limit 1) c
          union all
          select c.id, null, null, wanted.external_id
          from unnest(${parent_ids}::text[]) as wanted (external_id),
            lateral (select conversation_id from messages
              where channel_id = ${channel_id} and external_id = wanted.external_id limit 1) m,
            lateral (select id from conversations
              where id = m.conversation_id and split_from_id is not null and merged_into_id is null limit 1) c) places
        group by id order by id) found,
        lateral (select * from conversations where id = found.id for update) locked`.execute(trx)
    // Merged while this waited for its lock: its messages are elsewhere now.
    if (rows.every(row => !row.merged_into_id)) return rows
  }
}

/** Lets these rows hold their threads no longer: each is followed by a conversation that is about to be inserted. */
export async function releaseThreads(
  trx: Trx,
  rows: { holder_id: string; id: string; followed_by_id: string }[],
  now: Date,
): Promise<void> {
  if (rows.length === 0) return
  const holders = rows.map(row => row.holder_id)
  await sql`update conversations set thread_current = false where id = any(${holders}::uuid[])`.execute(trx)
  await sql`
    update conversations c set followed_by_id = f.followed_by_id, updated_at = ${now}, version = c.version + 1
    from unnest(${rows.map(row => row.id)}::uuid[], ${rows.map(row => row.followed_by_id)}::uuid[]) as f (id, followed_by_id)
    where c.id = f.id`.execute(trx)
}

/** The key of the thread into which an answer to that message leaves. */
export async function findThreadKey(trx: Trx, conversation: Conversation, origin: string | null): Promise<string> {
  if (!origin) return conversation.thread_key
  const row = await trx.selectFrom('conversations').select('thread_key').where('id', '=', origin).executeTakeFirst()
  return row?.thread_key ?? conversation.thread_key
}

export async function insertConversations(trx: Trx, rows: Insertable<Conversations>[]): Promise<void> {
  await insertRows(trx, 'conversations', rows)
}

export type ConversationTouch = {
  id: string
  status: ConversationStatus
  waiting_since: Date | null
  next_due_at: Date | null
  last_message_at: Date
  contact_id: string | null
  subject: string | null
  first_message_at: Date
  first_external_id: string | null
  post_id: string | null
  updated_at: Date
}

/** Moves many conversations on at once after something was said in them. */
export async function touchConversations(trx: Trx, touches: ConversationTouch[]): Promise<void> {
  if (touches.length === 0) return
  await sql`
    update conversations c
    set status = t.status, waiting_since = t.waiting_since, next_due_at = t.next_due_at, last_message_at = t.last_message_at,
      contact_id = t.contact_id, subject = t.subject, post_id = t.post_id,
      first_message_at = t.first_message_at, first_external_id = t.first_external_id,
      updated_at = t.updated_at, version = c.version + 1,
      resolved_at = case when t.status = 'resolved' then c.resolved_at end,
      snoozed_until = case when t.status = 'snoozed' then c.snoozed_until end,
      claim_expires_at = case when t.status = 'open' then c.claim_expires_at end
    from ${rowsOf('conversations', touches)} t,
      lateral (select ctid from conversations where id = t.id for update) found
    where c.ctid = found.ctid`.execute(trx)
}

/** Locks conversations whose snooze is over, the longest over first. What another worker wakes is passed over. */
export async function lockSnoozedUntil(trx: Trx, now: Date, limit: number): Promise<Conversation[]> {
  return trx
    .selectFrom('conversations')
    .selectAll()
    .where('snoozed_until', '<=', now)
    .orderBy('snoozed_until')
    .limit(limit)
    .forUpdate()
    .skipLocked()
    .execute()
}

/** Workspaces in which a snooze is over. */
export async function listWorkspacesToWake(trx: SystemTrx, now: Date): Promise<string[]> {
  const rows = await trx
    .selectFrom('conversations')
    .select('workspace_id')
    .distinct()
    .where('snoozed_until', '<=', now)
    .execute()
  return rows.map(({ workspace_id }) => workspace_id)
}

/** These conversations in the order given; those that are not there are left out. */
export async function listConversationsByIds(trx: Trx, ids: string[]): Promise<ConversationWithContact[]> {
  if (ids.length === 0) return []
  const rows = await withContact(trx)
    .where(eb => eb('conversations.id', '=', eb.fn.any(eb.val(ids))))
    .execute()
  const known = new Map(rows.map(row => [row.id, nestContact(row)]))
  return ids.flatMap(id => known.get(id) ?? [])
}
