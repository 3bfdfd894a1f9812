import { type Insertable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { insertRows, rowsOf } from '../rows.ts'
import type { Messages, MessageVersions } from '../tables.generated.ts'
import type { Message } from './messages.ts'

/** A message that is stored already, as far as an event about it needs to know. */
export type KnownMessage = Pick<
  Message,
  | 'id'
  | 'conversation_id'
  | 'contact_id'
  | 'direction'
  | 'state'
  | 'author_type'
  | 'body'
  | 'body_html'
  | 'body_marks'
  | 'kind'
  | 'visibility'
  | 'parent_external_id'
  | 'permalink'
  | 'reply_context'
  | 'reply_until'
  | 'version_at'
  | 'occurred_at'
  | 'received_at'
  | 'edited_at'
  | 'deleted_at'
  | 'from_history'
  | 'has_attachments'
> & { external_id: string }

const wanted = (external_ids: string[]) => sql`unnest(${external_ids}::text[]) as wanted (external_id)`

/** Locks which of these network ids are stored already, in the order of their ids. */
export async function lockKnownMessages(
  trx: Trx,
  channel_id: string,
  external_ids: string[],
): Promise<Map<string, KnownMessage>> {
  if (external_ids.length === 0) return new Map()
  const { rows } = await sql<KnownMessage>`
    select known.* from (
      select m.id from ${wanted(external_ids)},
        lateral (select id from messages
          where channel_id = ${channel_id} and external_id = wanted.external_id limit 1) m
      order by m.id) found,
      lateral (select id, external_id, conversation_id, contact_id, direction, state, author_type, body, body_html,
          body_marks, kind, visibility, parent_external_id, permalink, reply_context, reply_until,
          version_at, occurred_at, received_at, edited_at, deleted_at, from_history,
          has_attachments
        from messages where id = found.id for update) known`.execute(trx)
  return new Map(rows.map(row => [row.external_id, row]))
}

export type ParentMessage = Pick<Message, 'id' | 'contact_id'>

/** The messages that others answer, by network id. */
export async function findParents(
  trx: Trx,
  channel_id: string,
  external_ids: string[],
): Promise<Map<string, ParentMessage>> {
  if (external_ids.length === 0) return new Map()
  const { rows } = await sql<ParentMessage & { external_id: string }>`
    select parent.* from ${wanted(external_ids)},
      lateral (select id, external_id, contact_id from messages
        where channel_id = ${channel_id} and external_id = wanted.external_id limit 1) parent`.execute(trx)
  return new Map(rows.map(row => [row.external_id, row]))
}

export async function insertMessages(trx: Trx, rows: Insertable<Messages>[]): Promise<void> {
  await insertRows(trx, 'messages', rows)
}

/** What an event changes about a stored message. */
export type MessageChange = Pick<
  Message,
  | 'id'
  | 'kind'
  | 'visibility'
  | 'body'
  | 'body_html'
  | 'body_marks'
  | 'parent_external_id'
  | 'permalink'
  | 'reply_context'
  | 'reply_until'
  | 'version_at'
  | 'edited_at'
  | 'from_history'
>

export async function changeMessages(trx: Trx, changes: MessageChange[]): Promise<void> {
  if (changes.length === 0) return
  await sql`
    update messages m
    set kind = c.kind, visibility = c.visibility, body = c.body, body_html = c.body_html, body_marks = c.body_marks,
      parent_external_id = c.parent_external_id, permalink = c.permalink, reply_context = c.reply_context,
      reply_until = c.reply_until,
      version_at = c.version_at, edited_at = c.edited_at, from_history = c.from_history
    from ${rowsOf('messages', changes)} c, lateral (select ctid from messages where id = c.id for update) found
    where m.ctid = found.ctid`.execute(trx)
}

/** Keeps versions that are not the one on the message; those that are kept already change nothing. */
export async function insertVersions(trx: Trx, rows: Insertable<MessageVersions>[]): Promise<void> {
  if (rows.length === 0) return
  await sql`
    insert into message_versions (message_id, version_at, body, body_html, body_marks, received_at)
    select message_id, version_at, body, body_html, body_marks, received_at from ${rowsOf('message_versions', rows)} as rows
    on conflict (workspace_id, message_id, version_at, digest) do nothing`.execute(trx)
}

/**
 * Messages that came before the one they answer find it now, and what we wrote whom it is for. `parents` are the
 * messages that have just come.
 */
export async function adoptChildren(
  trx: Trx,
  channel_id: string,
  parents: { id: string; external_id: string; contact_id: string | null }[],
): Promise<void> {
  if (parents.length === 0) return
  await sql`
    update messages m
    set in_reply_to = p.id, contact_id = case when m.author_type = 'native' then p.contact_id else m.contact_id end
    from unnest(${parents.map(parent => parent.id)}::uuid[], ${parents.map(parent => parent.external_id)}::text[],
      ${parents.map(parent => parent.contact_id)}::uuid[]) as p (id, external_id, contact_id),
      lateral (select ctid from messages
        where channel_id = ${channel_id} and parent_external_id = p.external_id and in_reply_to is null
        for update) child
    where m.ctid = child.ctid`.execute(trx)
}

export type Deletion = { channel_id: string; external_id: string; version_at: Date }

/** Keeps deletions, one per network id, also of messages that are not here yet: they meet them when they come. */
export async function insertTombstones(trx: Trx, deletions: Deletion[]): Promise<void> {
  if (deletions.length === 0) return
  await sql`
    insert into message_tombstones (channel_id, external_id, version_at)
    select channel_id, external_id, version_at from ${rowsOf('message_tombstones', deletions)} as rows
    on conflict (workspace_id, channel_id, external_id) do update set version_at = excluded.version_at
      where excluded.version_at < message_tombstones.version_at`.execute(trx)
}

/** `was_disposition`: what had become of it before. */
export type DeletedMessage = Message & { was_disposition: Message['disposition'] }

/**
 * Marks what stands on the network as deleted there, at the earliest time it named: what customers wrote, and what we
 * said. Returns those that were visible.
 */
export async function deleteMessages(trx: Trx, deletions: Deletion[]): Promise<DeletedMessage[]> {
  if (deletions.length === 0) return []
  const { rows } = await sql<DeletedMessage & { was_visible: boolean }>`
    with doomed as (
      select m.ctid, m.deleted_at, m.disposition, d.version_at
      from ${rowsOf('message_tombstones', deletions)} d,
        lateral (select ctid, deleted_at, disposition from messages
          where channel_id = d.channel_id and external_id = d.external_id and state in ('received', 'sent')
            and (deleted_at is null or deleted_at > d.version_at)
          for update) m)
    update messages m set deleted_at = doomed.version_at
    from doomed where m.ctid = doomed.ctid
    returning m.*, doomed.disposition as was_disposition, doomed.deleted_at is null as was_visible`.execute(trx)
  return rows.filter(row => row.was_visible)
}

/** Which of these messages were deleted on their network before they reached us, and when. */
export async function findTombstones(trx: Trx, channel_id: string, external_ids: string[]): Promise<Map<string, Date>> {
  if (external_ids.length === 0) return new Map()
  const { rows } = await sql<{ external_id: string; version_at: Date }>`
    select tombstone.* from ${wanted(external_ids)},
      lateral (select external_id, version_at from message_tombstones
        where channel_id = ${channel_id} and external_id = wanted.external_id limit 1) tombstone`.execute(trx)
  return new Map(rows.map(row => [row.external_id, row.version_at]))
}
