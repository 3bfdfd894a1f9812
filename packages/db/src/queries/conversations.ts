import type { ConversationStatus } from '@parley/domain'
import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import { insertRows, rowsOf } from '../rows.ts'
import type { Conversations } from '../tables.generated.ts'

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

/** Locks one conversation until the transaction ends; undefined when this workspace has none. */
export async function lockConversation(trx: Trx, id: string): Promise<Conversation | undefined> {
  return trx.selectFrom('conversations').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

/** Locks these, in id order so that two writers cannot deadlock; those that are not there are left out. */
export async function lockConversations(trx: Trx, ids: string[]): Promise<Conversation[]> {
  if (ids.length === 0) return []
  return trx
    .selectFrom('conversations')
    .selectAll()
    .where(eb => eb('id', '=', eb.fn.any(eb.val(ids))))
    .orderBy('id')
    .forUpdate()
    .execute()
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

/** Locks the channel's conversations of these threads, in id order so that two writers cannot deadlock. */
export async function lockConversationsByThread(
  trx: Trx,
  channel_id: string,
  thread_keys: string[],
): Promise<Conversation[]> {
  const { rows } = await sql<Conversation>`
    select locked.* from (
      select c.id from unnest(${thread_keys}::text[]) as wanted (thread_key),
        lateral (select id from conversations
          where channel_id = ${channel_id} and thread_key = wanted.thread_key limit 1) c
      order by c.id) found,
      lateral (select * from conversations where id = found.id for update) locked`.execute(trx)
  return rows
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
