import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import { FIRST_PAGE, type IdPage, startOf } from '../id-page.ts'
import type { Channels, Inboxes } from '../tables.generated.ts'
import type { Reach } from './visibility.ts'

export type Channel = Selectable<Channels>
export type Inbox = Selectable<Inboxes>

export async function insertInbox(trx: Trx, row: Insertable<Inboxes>): Promise<Inbox> {
  return trx.insertInto('inboxes').values(row).returningAll().executeTakeFirstOrThrow()
}

/** The inboxes that the caller sees. */
export async function listInboxes(trx: Trx, { inbox_ids }: Reach, page: IdPage = FIRST_PAGE): Promise<Inbox[]> {
  let query = trx.selectFrom('inboxes').selectAll().where('id', '>', startOf(page))
  if (inbox_ids) query = query.where('id', '=', sql<string>`any(${inbox_ids}::uuid[])`)
  return query.orderBy('id').limit(page.limit).execute()
}

export async function findInbox(trx: Trx, id: string): Promise<Inbox | undefined> {
  return trx.selectFrom('inboxes').selectAll().where('id', '=', id).executeTakeFirst()
}

export async function updateInbox(trx: Trx, id: string, change: Updateable<Inboxes>): Promise<Inbox | undefined> {
  return trx.updateTable('inboxes').set(change).where('id', '=', id).returningAll().executeTakeFirst()
}

export async function insertChannel(trx: Trx, row: Insertable<Channels>): Promise<Channel> {
  return trx.insertInto('channels').values(row).returningAll().executeTakeFirstOrThrow()
}

/** The channels of the inboxes that the caller sees. */
export async function listChannels(trx: Trx, { inbox_ids }: Reach, page: IdPage = FIRST_PAGE): Promise<Channel[]> {
  let query = trx.selectFrom('channels').selectAll().where('status', '!=', 'deleted').where('id', '>', startOf(page))
  if (inbox_ids) query = query.where('inbox_id', '=', sql<string>`any(${inbox_ids}::uuid[])`)
  return query.orderBy('id').limit(page.limit).execute()
}

export async function findChannel(trx: Trx, id: string): Promise<Channel | undefined> {
  return trx.selectFrom('channels').selectAll().where('id', '=', id).executeTakeFirst()
}

/**
 * A channel and its version, which every change of its row changes: what was read once can be relied on for as long as
 * the version is the same.
 */
export async function findChannelVersion(
  trx: Trx,
  id: string,
): Promise<{ channel: Channel; version: string } | undefined> {
  const row = await trx
    .selectFrom('channels')
    .selectAll()
    .select(sql<string>`channels.xmin::text`.as('version'))
    .where('id', '=', id)
    .executeTakeFirst()
  if (!row) return undefined
  const { version, ...channel } = row
  return { channel, version }
}

export async function updateChannel(trx: Trx, id: string, change: Updateable<Channels>): Promise<void> {
  await trx.updateTable('channels').set(change).where('id', '=', id).execute()
}

/**
 * Keeps a channel's network from being asked before `until`, or only from being written to; a later time that was set
 * before stays.
 */
export async function pauseChannel(trx: Trx, id: string, calls: 'all' | 'writes', until: Date): Promise<void> {
  const column = calls === 'all' ? 'resume_at' : 'send_resume_at'
  await trx
    .updateTable('channels')
    .set({ [column]: sql`greatest(${sql.ref(column)}, ${until})` })
    .where('id', '=', id)
    .execute()
}

/** Lets one call at a time try whether a network that did not answer is back. False while another one does, or too early. */
export async function takeSendProbe(trx: Trx, id: string, until: Date, now: Date): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('channels')
    .set({ send_resume_at: until })
    .where('id', '=', id)
    .where(eb => eb.or([eb('send_resume_at', 'is', null), eb('send_resume_at', '<=', now)]))
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Keeps a channel's tokens and lets others renew them again. Not of one that was deleted meanwhile: its secrets are wiped. */
export async function storeSession(trx: Trx, id: string, session_sealed: Buffer): Promise<void> {
  await trx
    .updateTable('channels')
    .set({ session_sealed, session_lease_until: null })
    .where('id', '=', id)
    .where('status', '<>', 'deleted')
    .execute()
}

/** Lets one worker at a time renew a channel's tokens. False while another one does. */
export async function takeSessionLease(trx: Trx, id: string, until: Date, now: Date): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('channels')
    .set({ session_lease_until: until })
    .where('id', '=', id)
    .where(eb => eb.or([eb('session_lease_until', 'is', null), eb('session_lease_until', '<=', now)]))
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Which workspace a webhook's channel belongs to. It never changes, so the answer may be kept. */
export async function findWorkspaceOfChannel(trx: SystemTrx, channel_id: string): Promise<string | undefined> {
  const row = await trx.selectFrom('channels').select('workspace_id').where('id', '=', channel_id).executeTakeFirst()
  return row?.workspace_id
}

/** Holds the channel's row until the transaction ends; messages may come in meanwhile. */
export async function lockChannel(trx: Trx, id: string): Promise<Channel | undefined> {
  return trx.selectFrom('channels').selectAll().where('id', '=', id).forNoKeyUpdate().executeTakeFirst()
}

/** Stops a channel whose credentials the network refuses. False when they were replaced or it was stopped meanwhile. */
export async function disableChannel(trx: Trx, channel: Channel, status_reason: string): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('channels')
    .set({ status: 'disabled', status_reason, poll_turn: null })
    .where('id', '=', channel.id)
    .where('status', '=', 'active')
    .where('credentials_sealed', '=', channel.credentials_sealed)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
