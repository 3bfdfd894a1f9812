import { sql } from 'kysely'
import type { Trx } from '../database.ts'
import type { ContactIdentity } from './contacts.ts'

/** All accounts of these contacts, locked. */
export async function lockIdentities(trx: Trx, contact_ids: string[]): Promise<ContactIdentity[]> {
  return trx
    .selectFrom('contact_identities')
    .selectAll()
    .where('contact_id', 'in', contact_ids)
    .orderBy('external_id')
    .forUpdate()
    .execute()
}

/** Leaves of an account that it was there: `external_id` is what stands in the place of its id. */
export async function blankIdentities(trx: Trx, rows: { id: string; external_id: string }[], now: Date): Promise<void> {
  await sql`
    update contact_identities i
    set external_id = given.external_id, handle = null, display_name = null, avatar_url = null, updated_at = ${now}
    from unnest(${rows.map(row => row.id)}::uuid[], ${rows.map(row => row.external_id)}::text[]) as given (id, external_id)
    where i.id = given.id`.execute(trx)
}

/** Leaves of contacts that they were there, under that name. */
export async function blankContacts(trx: Trx, ids: string[], name: string, now: Date): Promise<void> {
  await sql`
    update contacts set name = ${name}, name_given = true, language = null, attributes = '{}', erased_at = ${now},
      updated_at = ${now}, version = version + 1
    where id = any(${ids}::uuid[])`.execute(trx)
}

export async function deleteNotesAbout(trx: Trx, contact_ids: string[]): Promise<number> {
  const { numDeletedRows } = await trx
    .deleteFrom('contact_notes')
    .where('contact_id', 'in', contact_ids)
    .executeTakeFirst()
  return Number(numDeletedRows)
}

/** Takes back what is to be said or done to these contacts and has not been begun. Returns what it was. */
export async function cancelRepliesTo(
  trx: Trx,
  contact_ids: string[],
  reason: string,
): Promise<{ id: string; conversation_id: string }[]> {
  const { rows } = await sql<{ id: string; conversation_id: string }>`
    update messages set state = 'cancelled', state_reason = ${reason}, next_attempt_at = null, hold_until = null
    where contact_id = any(${contact_ids}::uuid[]) and direction = 'outbound' and state = 'queued'
    returning id, conversation_id`.execute(trx)
  return rows
}

/** Asks no network any more what became of replies and actions: nothing is kept to ask with. A person decides. */
export async function leaveUnknownToPeople(trx: Trx, contact_ids: string[]): Promise<void> {
  await sql`update messages set next_attempt_at = null
    where contact_id = any(${contact_ids}::uuid[]) and direction = 'outbound' and state = 'unknown'`.execute(trx)
  await sql`update message_actions a set next_attempt_at = null from messages m
    where m.id = a.message_id and m.contact_id = any(${contact_ids}::uuid[]) and a.state = 'unknown'`.execute(trx)
}

export async function cancelActionsOn(trx: Trx, contact_ids: string[], reason: string): Promise<number> {
  const { numAffectedRows } = await sql`
    update message_actions a set state = 'cancelled', state_reason = ${reason}, next_attempt_at = null, hold_until = null
    from messages m
    where m.id = a.message_id and m.contact_id = any(${contact_ids}::uuid[]) and a.state = 'queued'`.execute(trx)
  return Number(numAffectedRows ?? 0)
}

/** Whether a worker is saying or doing something to one of these contacts at this moment. */
export async function isBeingAnswered(trx: Trx, contact_ids: string[]): Promise<boolean> {
  const { rows } = await sql<{ busy: boolean }>`
    select exists (select from messages
        where contact_id = any(${contact_ids}::uuid[]) and direction = 'outbound' and state = 'sending')
      or exists (select from message_actions a join messages m on m.id = a.message_id
        where m.contact_id = any(${contact_ids}::uuid[]) and a.state = 'sending') as busy`.execute(trx)
  return rows[0]!.busy
}

export type ErasableFile = { id: string; blob_key: string | null }

/** Files of what these contacts wrote: `limit` of them. */
export async function listFilesFrom(trx: Trx, contact_ids: string[], limit: number): Promise<ErasableFile[]> {
  const { rows } = await sql<ErasableFile>`
    select a.id, a.blob_key from messages m join attachments a on a.message_id = m.id
    where m.contact_id = any(${contact_ids}::uuid[]) and m.direction = 'inbound' order by a.id limit ${limit}`.execute(
    trx,
  )
  return rows
}

/** Exports of these contacts whose bytes are there. */
export async function listExportsOf(trx: Trx, contact_ids: string[]): Promise<ErasableFile[]> {
  const { rows } = await sql<ErasableFile>`
    select id, blob_key from contact_exports
    where contact_id = any(${contact_ids}::uuid[]) and (blob_key is not null or state = 'running')`.execute(trx)
  return rows
}

/**
 * Marks bytes whose only use is in these attachments and exports: they can be deleted, and then forgotten. Whoever puts
 * the same bytes meanwhile waits.
 */
export async function markBlobs(trx: Trx, keys: string[], used_by: string[], now: Date): Promise<string[]> {
  if (keys.length === 0) return []
  const { rows } = await sql<{ key: string }>`
    update blobs b set deleting_at = ${now}
    where b.key = any(${keys}::text[])
      and not exists (select from attachments a where a.blob_key = b.key and a.id <> all(${used_by}::uuid[]))
      and not exists (select from contact_exports x where x.blob_key = b.key and x.id <> all(${used_by}::uuid[]))
    returning b.key`.execute(trx)
  return rows.map(row => row.key)
}

/** Forgets files whose bytes are deleted. */
export async function deleteFiles(trx: Trx, ids: string[]): Promise<number> {
  if (ids.length === 0) return 0
  const { rows } = await sql<{ message_id: string }>`
    delete from attachments where id = any(${ids}::uuid[]) returning message_id`.execute(trx)
  const messages = [...new Set(rows.map(row => row.message_id))]
  await sql`update messages set has_attachments = false where id = any(${messages}::uuid[])
    and not exists (select from attachments a where a.message_id = messages.id)`.execute(trx)
  return rows.length
}

export async function expireExports(trx: Trx, ids: string[]): Promise<void> {
  if (ids.length === 0) return
  await sql`update contact_exports set state = 'expired', blob_key = null, next_attempt_at = null
    where id = any(${ids}::uuid[])`.execute(trx)
}

export type ErasableMessage = { id: string; conversation_id: string; channel_id: string; external_id: string }

/** The next messages that these contacts wrote, locked, in the order of their ids. */
export async function lockMessagesFrom(
  trx: Trx,
  contact_ids: string[],
  after: string,
  limit: number,
): Promise<ErasableMessage[]> {
  const { rows } = await sql<ErasableMessage>`
    select id, conversation_id, channel_id, external_id from messages
    where contact_id = any(${contact_ids}::uuid[]) and direction = 'inbound' and id > ${after}
    order by id limit ${limit} for update`.execute(trx)
  return rows
}

/** An erased message: what stands in the place of its id, also where others and its thread refer to it. */
export type BlankedMessage = ErasableMessage & { message_text: string; thread_text: string }

/**
 * Leaves of messages that they were there, when, and who answered or dismissed them. Returns how many other versions went
 * with them.
 * @param reason what stands where somebody said why a message needs no answer
 */
export async function blankMessages(
  trx: Trx,
  messages: BlankedMessage[],
  { mark, reason }: { mark: string; reason: string },
): Promise<number> {
  if (messages.length === 0) return 0
  const column = <K extends keyof BlankedMessage>(key: K) => messages.map(message => message[key])
  const given = sql`unnest(${column('id')}::uuid[], ${column('conversation_id')}::uuid[], ${column('channel_id')}::uuid[],
    ${column('external_id')}::text[], ${column('message_text')}::text[], ${column('thread_text')}::text[])
    as given (id, conversation_id, channel_id, external_id, message_text, thread_text)`
  await sql`update messages m set parent_external_id = given.message_text from ${given}
    where m.conversation_id = given.conversation_id and m.parent_external_id = given.external_id`.execute(trx)
  await sql`update conversations c set first_external_id = given.message_text from ${given}
    where c.id = given.conversation_id and c.first_external_id = given.external_id`.execute(trx)
  await sql`update conversations c set thread_key = given.thread_text from ${given}
    where c.channel_id = given.channel_id and c.thread_key = given.external_id`.execute(trx)
  await sql`update posts p set external_id = given.message_text from ${given}
    where p.channel_id = given.channel_id and p.external_id = given.external_id`.execute(trx)
  await sql`delete from post_messages where message_id = any(${column('id')}::uuid[])`.execute(trx)
  await sql`delete from message_tombstones t using ${given}
    where t.channel_id = given.channel_id and t.external_id = given.external_id`.execute(trx)
  await sql`delete from message_triage where message_id = any(${column('id')}::uuid[])`.execute(trx)
  const { numAffectedRows } = await sql`delete from message_versions
    where message_id = any(${column('id')}::uuid[])`.execute(trx)
  await sql`update messages m set external_id = given.message_text, body = '', body_html = null, body_quoted = null,
      body_marks = array[${mark}], permalink = null, reply_context = null,
      dismissed_reason = case when dismissed_reason is not null then ${reason} end,
      flagged_reason = case when flagged_reason is not null then ${reason} end
    from ${given} where m.id = given.id`.execute(trx)
  return Number(numAffectedRows ?? 0)
}

export type ErasableConversation = {
  id: string
  channel_id: string
  thread_key: string
  contact_id: string | null
  attributes: Record<string, unknown>
}

/** The next conversations that these contacts are part of, locked, in the order of their ids. */
export async function lockConversationsOf(
  trx: Trx,
  contact_ids: string[],
  after: string,
  limit: number,
): Promise<ErasableConversation[]> {
  const { rows } = await sql<ErasableConversation>`
    select id, channel_id, thread_key, contact_id, attributes from conversations where id in (
      select id from conversations where contact_id = any(${contact_ids}::uuid[])
      union all
      select conversation_id from messages where contact_id = any(${contact_ids}::uuid[]))
      and id > ${after}
    order by id limit ${limit} for update`.execute(trx)
  return rows
}

export type OurText = {
  id: string
  body: string
  body_html: string | null
  state_reason: string | null
  reply_context: unknown
}

/** What we said and noted in a conversation. */
export async function listOurTexts(
  trx: Trx,
  conversation_id: string,
  after: string,
  limit: number,
): Promise<OurText[]> {
  const { rows } = await sql<OurText>`
    select id, body, body_html, state_reason, reply_context from messages
    where conversation_id = ${conversation_id} and direction <> 'inbound' and id > ${after}
    order by id limit ${limit}`.execute(trx)
  return rows
}

export async function updateOurText(trx: Trx, { id, reply_context, ...text }: OurText): Promise<void> {
  const context = reply_context === null ? null : JSON.stringify(reply_context)
  await trx
    .updateTable('messages')
    .set({ ...text, reply_context: context })
    .where('id', '=', id)
    .execute()
}

/** Why messages of a conversation need no answer, or somebody's look, in other words. Returns how many changed. */
export async function redactReasons(
  trx: Trx,
  conversation_id: string,
  redact: (text: string) => string,
): Promise<number> {
  const { rows } = await sql<{ id: string; dismissed_reason: string | null; flagged_reason: string | null }>`
    select id, dismissed_reason, flagged_reason from messages
    where conversation_id = ${conversation_id} and (dismissed_reason is not null or flagged_reason is not null)`.execute(
    trx,
  )
  let changed = 0
  for (const { id, ...reasons } of rows) {
    const dismissed_reason = reasons.dismissed_reason && redact(reasons.dismissed_reason)
    const flagged_reason = reasons.flagged_reason && redact(reasons.flagged_reason)
    if (dismissed_reason === reasons.dismissed_reason && flagged_reason === reasons.flagged_reason) continue
    await trx.updateTable('messages').set({ dismissed_reason, flagged_reason }).where('id', '=', id).execute()
    changed += 1
  }
  return changed
}

/** Takes away what the mails of a conversation repeat of earlier ones. */
export async function dropQuotes(trx: Trx, conversation_id: string): Promise<void> {
  await sql`update messages set body_quoted = null, body_html = null
    where conversation_id = ${conversation_id} and body_quoted is not null`.execute(trx)
  await sql`update message_versions v set body_html = null from messages m
    where m.conversation_id = ${conversation_id} and m.id = v.message_id and v.body_html is not null
      and m.direction = 'outbound'`.execute(trx)
}

/** Empties what was prepared to be sent in a conversation, and gives the reasons of failed attempts another text. */
export async function blankAttempts(
  trx: Trx,
  conversation_id: string,
  redact: (reason: string) => string,
): Promise<number> {
  const { rows } = await sql<{ intent_id: string; number: number; reason: string | null }>`
    update send_attempts a set prepared = '{}' from messages m
    where m.conversation_id = ${conversation_id} and m.id = a.message_id
    returning a.intent_id, a.number, a.reason`.execute(trx)
  for (const { intent_id, number, reason } of rows) {
    if (reason === null || redact(reason) === reason) continue
    await sql`update send_attempts set reason = ${redact(reason)}
      where intent_id = ${intent_id} and number = ${number}`.execute(trx)
  }
  return rows.length
}

/** Our edits of messages in a conversation, and what networks said of actions there. */
export async function redactActions(
  trx: Trx,
  conversation_id: string,
  redact: (text: string) => string,
): Promise<void> {
  const { rows } = await sql<{ id: string; body: string | null; state_reason: string | null }>`
    select id, body, state_reason from message_actions
    where conversation_id = ${conversation_id} and (body is not null or state_reason is not null)`.execute(trx)
  for (const { id, body, state_reason } of rows) {
    const [text, reason] = [body && redact(body), state_reason && redact(state_reason)]
    if (text === body && reason === state_reason) continue
    await trx.updateTable('message_actions').set({ body: text, state_reason: reason }).where('id', '=', id).execute()
  }
}

/** Gives the tasks of a conversation other texts. Returns how many changed. */
export async function redactTasks(
  trx: Trx,
  conversation_id: string,
  redact: (text: string) => string,
): Promise<number> {
  const tasks = await trx
    .selectFrom('tasks')
    .select(['id', 'title', 'note'])
    .where('conversation_id', '=', conversation_id)
    .orderBy('id')
    .forUpdate()
    .execute()
  let changed = 0
  for (const { id, title, note } of tasks) {
    const redacted = { title: redact(title), note: note && redact(note) }
    if (redacted.title === title && redacted.note === note) continue
    await trx.updateTable('tasks').set(redacted).where('id', '=', id).execute()
    changed += 1
  }
  return changed
}

/** Gives the questions to experts about a conversation other texts. Returns how many changed. */
export async function redactExpertLinks(
  trx: Trx,
  conversation_id: string,
  redact: (text: string) => string,
): Promise<number> {
  const links = await trx
    .selectFrom('expert_links')
    .select(['id', 'name', 'question'])
    .where('conversation_id', '=', conversation_id)
    .orderBy('id')
    .forUpdate()
    .execute()
  let changed = 0
  for (const { id, name, question } of links) {
    const redacted = { name: redact(name), question: redact(question) }
    if (redacted.name === name && redacted.question === question) continue
    await trx.updateTable('expert_links').set(redacted).where('id', '=', id).execute()
    changed += 1
  }
  return changed
}

/** Empties the draft of a conversation. Returns whether there was one. */
export async function emptyDraft(trx: Trx, conversation_id: string): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update drafts set body = '', visibility = null, in_reply_to = null, attachment_ids = '{}', discarded = true,
      version = version + 1
    where conversation_id = ${conversation_id} and not discarded`.execute(trx)
  return Number(numAffectedRows ?? 0) > 0
}

/** Takes addresses away from those whom a conversation is with. */
export async function deleteAddresses(trx: Trx, conversation_id: string, addresses: string[]): Promise<void> {
  await sql`delete from conversation_addresses
    where conversation_id = ${conversation_id} and address = any(${addresses}::text[])`.execute(trx)
}
