import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { ContactExports } from '../tables.generated.ts'

export type ContactExport = Omit<Selectable<ContactExports>, 'state'> & {
  state: 'running' | 'done' | 'failed' | 'expired'
}

export async function insertExport(trx: Trx, row: Insertable<ContactExports>): Promise<ContactExport> {
  return trx.insertInto('contact_exports').values(row).returningAll().$castTo<ContactExport>().executeTakeFirstOrThrow()
}

export async function findExport(trx: Trx, id: string): Promise<ContactExport | undefined> {
  const query = trx.selectFrom('contact_exports').selectAll().where('id', '=', id)
  return query.$castTo<ContactExport>().executeTakeFirst()
}

/** Exports of all workspaces that somebody should write by now. */
export async function listDueExports(
  trx: SystemTrx,
  now: Date,
  limit: number,
): Promise<{ workspace_id: string; id: string }[]> {
  return trx
    .selectFrom('contact_exports')
    .select(['workspace_id', 'id'])
    .where('next_attempt_at', '<=', now)
    .orderBy('next_attempt_at')
    .limit(limit)
    .execute()
}

/** Takes an export that is due until `lease_until`; undefined when another worker has it. */
export async function claimExport(
  trx: Trx,
  id: string,
  now: Date,
  lease_until: Date,
): Promise<ContactExport | undefined> {
  return trx
    .updateTable('contact_exports')
    .set(eb => ({ attempts: eb('attempts', '+', 1), next_attempt_at: lease_until }))
    .where('id', '=', id)
    .where('next_attempt_at', '<=', now)
    .returningAll()
    .$castTo<ContactExport>()
    .executeTakeFirst()
}

/** Records what came of an attempt; false when the export was taken over, or erased with its contact, meanwhile. */
export async function finishExport(
  trx: Trx,
  { id, attempts }: Pick<ContactExport, 'id' | 'attempts'>,
  change: Updateable<ContactExports>,
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('contact_exports')
    .set(change)
    .where('id', '=', id)
    .where('attempts', '=', attempts)
    .where('state', '=', 'running')
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Lets go of the bytes of exports whose time is over: nothing refers to them then. */
export async function expireOldExports(trx: Trx, now: Date): Promise<number> {
  const { numUpdatedRows } = await trx
    .updateTable('contact_exports')
    .set({ state: 'expired', blob_key: null })
    .where('state', '=', 'done')
    .where('expires_at', '<=', now)
    .executeTakeFirst()
  return Number(numUpdatedRows)
}

/** Of whom an export tells, and where it goes on: after that id. */
export type ExportPage = { contact_ids: string[]; after: string; limit: number }

/** What a person wrote and what was said to them, in the order of ids, with where it was said. */
export async function listMessagesToExport(trx: Trx, { contact_ids, after, limit }: ExportPage) {
  const { rows } = await sql<{ id: string } & Record<string, unknown>>`
    select m.id, m.conversation_id, c.number as conversation_number, c.subject, ch.kind as network, ch.name as channel,
      m.contact_id, m.direction, m.kind, m.visibility, m.state, m.body, m.body_html, m.body_quoted, m.external_id,
      m.in_reply_to, m.permalink, m.occurred_at, m.received_at, m.edited_at, m.deleted_at,
      m.disposition, m.answered_at, m.dismissed_at, m.dismissed_as, m.dismissed_reason,
      m.flagged_at, m.flagged_reason,
      array(select jsonb_build_object('version_at', v.version_at, 'body', v.body, 'body_html', v.body_html)
        from message_versions v where v.message_id = m.id order by v.version_at, v.digest limit 100) as versions,
      array(select jsonb_build_object('id', a.id, 'filename', a.filename, 'media_type', a.media_type,
          'byte_size', a.byte_size, 'sha256', a.sha256, 'alt_text', a.alt_text, 'source_url', a.source_url,
          'state', a.state, 'removed', a.removed)
        from attachments a where a.message_id = m.id order by a.position, a.id limit 100) as attachments
    from messages m
    join conversations c on c.workspace_id = m.workspace_id and c.id = m.conversation_id
    join channels ch on ch.workspace_id = m.workspace_id and ch.id = m.channel_id
    where m.contact_id = any(${contact_ids}::uuid[]) and m.direction <> 'internal' and m.id > ${after}
    order by m.id limit ${limit}`.execute(trx)
  return rows
}

/** Their waits for an answer, in the order of ids. */
export async function listWaitsToExport(trx: Trx, { contact_ids, after, limit }: ExportPage) {
  const { rows } = await sql<{ id: string } & Record<string, unknown>>`
    select w.id, w.conversation_id, w.opened_at, w.closed_at, w.cancelled_reason from waits w
    join (select distinct conversation_id from messages where contact_id = any(${contact_ids}::uuid[])) m
      on m.conversation_id = w.conversation_id
    where w.contact_id = any(${contact_ids}::uuid[]) and w.id > ${after} order by w.id limit ${limit}`.execute(trx)
  return rows
}
