import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import { rowsOf } from '../rows.ts'
import type { Attachments } from '../tables.generated.ts'

export type Attachment = Selectable<Attachments>

export async function insertAttachment(trx: Trx, row: Insertable<Attachments>): Promise<Attachment> {
  return trx.insertInto('attachments').values(row).returningAll().executeTakeFirstOrThrow()
}

export async function findAttachment(trx: Trx, id: string): Promise<Attachment | undefined> {
  return trx.selectFrom('attachments').selectAll().where('id', '=', id).executeTakeFirst()
}

/**
 * Locks uploads that no reply has yet, in the order of `ids`. What was uploaded elsewhere, used already or never is not
 * among them: the caller compares.
 */
export async function lockUnusedAttachments(trx: Trx, ids: string[]): Promise<Attachment[]> {
  if (ids.length === 0) return []
  const rows = await trx
    .selectFrom('attachments')
    .selectAll()
    .where('id', 'in', ids)
    .where('message_id', 'is', null)
    .where('state', '=', 'stored')
    // Two replies that want the same files lock them in the same order.
    .orderBy('id')
    .forUpdate()
    .execute()
  return rows.sort((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id))
}

/** Gives uploads to a message that is stored already, in this order. They must be locked. */
export async function attachToMessage(trx: Trx, message_id: string, ids: string[]): Promise<void> {
  if (ids.length === 0) return
  await sql`
    update attachments a set message_id = ${message_id}, position = given.position - 1
    from unnest(${ids}::uuid[]) with ordinality as given (id, position)
    where a.id = given.id and a.message_id is null`.execute(trx)
  await flagMessages(trx, [message_id])
}

/** The files of these messages as they stand in their newest versions, message by message, in order. */
export async function listAttachmentsOf(trx: Trx, message_ids: string[]): Promise<Attachment[]> {
  if (message_ids.length === 0) return []
  return trx
    .selectFrom('attachments')
    .selectAll()
    .where('message_id', 'in', message_ids)
    .where('removed', '=', false)
    .orderBy('message_id')
    .orderBy('position')
    .orderBy('id')
    .execute()
}

/** Forgets uploads that neither a reply nor a draft has taken. Returns how many; their bytes are left to be found as garbage. */
export async function deleteUnusedAttachments(trx: Trx, before: Date, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from attachments where id in (
      select id from attachments a where message_id is null and created_at < ${before}
        and not exists (select from drafts d where d.attachment_ids <> '{}' and a.id = any(d.attachment_ids))
      order by created_at limit ${limit} for update skip locked)`.execute(trx)
  return Number(numAffectedRows ?? 0)
}

/** What an event tells of a file of a message. */
export type IncomingAttachment = Pick<
  Attachment,
  | 'id'
  | 'message_id'
  | 'channel_id'
  | 'position'
  | 'state'
  | 'reason'
  | 'external_id'
  | 'source_url'
  | 'blob_key'
  | 'claimed_media_type'
  | 'byte_size'
  | 'filename'
  | 'alt_text'
  | 'inline'
  | 'next_attempt_at'
  | 'version_at'
  | 'removed'
  | 'created_at'
>

/** Says that the newest versions of these messages have none of the files they had before. */
export async function removeAttachments(trx: Trx, message_ids: string[]): Promise<void> {
  if (message_ids.length === 0) return
  await sql`update attachments set removed = true
    where message_id = any(${message_ids}::uuid[]) and not removed`.execute(trx)
}

/**
 * Adds files to messages. One that is there already is described as the newest version describes it, and is one of the
 * message's again when that version has it. Where it is fetched from follows the last delivery: such addresses expire.
 */
export async function addAttachments(trx: Trx, rows: IncomingAttachment[]): Promise<void> {
  if (rows.length === 0) return
  // Of two descriptions of the same moment the one of the version that the message has counts.
  const newer = sql`(excluded.version_at > a.version_at or (excluded.version_at = a.version_at and not excluded.removed))`
  const described = ['position', 'filename', 'alt_text', 'inline', 'version_at'].map(column => {
    const [mine, given] = [sql.ref(`a.${column}`), sql.ref(`excluded.${column}`)]
    return sql`${sql.ref(column)} = case when ${newer} then ${given} else ${mine} end`
  })
  await sql`
    insert into attachments as a (id, message_id, channel_id, position, state, reason, external_id, source_url, blob_key,
      claimed_media_type, byte_size, filename, alt_text, inline, next_attempt_at, version_at, removed, created_at)
    select id, message_id, channel_id, position, state, reason, external_id, source_url, blob_key,
      claimed_media_type, byte_size, filename, alt_text, inline, next_attempt_at, version_at, removed, created_at
    from ${rowsOf('attachments', rows)} as rows
    order by message_id, external_id
    on conflict (workspace_id, message_id, external_id) do update set ${sql.join(described)},
      removed = a.removed and excluded.removed,
      source_url = case when a.state in ('pending', 'linked') then coalesce(excluded.source_url, a.source_url) else a.source_url end`.execute(
    trx,
  )
  const message_ids = [...new Set(rows.map(row => row.message_id!))]
  await flagMessages(trx, message_ids)
}

async function flagMessages(trx: Trx, ids: string[]): Promise<void> {
  await sql`update messages set has_attachments = true
    where id = any(${ids}::uuid[]) and not has_attachments`.execute(trx)
}

/** Channels of all workspaces that have files to fetch by now. */
export async function listChannelsToFetchFrom(
  trx: SystemTrx,
  now: Date,
  limit: number,
): Promise<{ workspace_id: string; channel_id: string }[]> {
  // A loose index scan: one probe for each channel, however many files it waits for.
  const { rows } = await sql<{ workspace_id: string; channel_id: string }>`
    with recursive channel as (
      (select workspace_id, channel_id from attachments
        where next_attempt_at is not null order by workspace_id, channel_id limit 1)
      union all
      select next.* from channel, lateral (
        select a.workspace_id, a.channel_id from attachments a
        where a.next_attempt_at is not null
          and (a.workspace_id, a.channel_id) > (channel.workspace_id, channel.channel_id)
        order by a.workspace_id, a.channel_id limit 1) next
    )
    select workspace_id, channel_id from channel c
    where exists (select from attachments a
      where a.workspace_id = c.workspace_id and a.channel_id = c.channel_id and a.next_attempt_at <= ${now})
    limit ${limit}`.execute(trx)
  return rows
}

/** Takes files of a channel that are due, oldest first, until `lease_until`; others leave them alone until then. */
export async function claimAttachments(
  trx: Trx,
  channel_id: string,
  now: Date,
  lease_until: Date,
  limit: number,
): Promise<Attachment[]> {
  const { rows } = await sql<Attachment>`
    update attachments a set attempts = a.attempts + 1, next_attempt_at = ${lease_until}
    from (select ctid from attachments where channel_id = ${channel_id} and next_attempt_at <= ${now}
      order by next_attempt_at limit ${limit} for update skip locked) due
    where a.ctid = due.ctid
    returning a.*`.execute(trx)
  return rows
}

/** Records what came of an attempt; undefined when another worker has taken over meanwhile. */
export async function finishAttachment(
  trx: Trx,
  { id, attempts }: Pick<Attachment, 'id' | 'attempts'>,
  change: Updateable<Attachments>,
): Promise<Attachment | undefined> {
  return trx
    .updateTable('attachments')
    .set(change)
    .where('id', '=', id)
    .where('attempts', '=', attempts)
    .where('next_attempt_at', 'is not', null)
    .returningAll()
    .executeTakeFirst()
}
