import type { Insertable, Selectable, Updateable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import { FIRST_PAGE, type IdPage, startOf } from '../id-page.ts'
import type { Channels, Inboxes } from '../tables.generated.ts'

/** A channel that is due later than this is being polled right now: its turn lasts longer than any pause. */
const LONGEST_PAUSE_MS = 30_000

export type Channel = Selectable<Channels>
export type Inbox = Selectable<Inboxes>

export async function insertInbox(trx: Trx, row: Insertable<Inboxes>): Promise<Inbox> {
  return trx.insertInto('inboxes').values(row).returningAll().executeTakeFirstOrThrow()
}

export async function listInboxes(trx: Trx, page: IdPage = FIRST_PAGE): Promise<Inbox[]> {
  return trx.selectFrom('inboxes').selectAll().where('id', '>', startOf(page)).orderBy('id').limit(page.limit).execute()
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

export async function listChannels(trx: Trx, page: IdPage = FIRST_PAGE): Promise<Channel[]> {
  return trx
    .selectFrom('channels')
    .selectAll()
    .where('status', '!=', 'deleted')
    .where('id', '>', startOf(page))
    .orderBy('id')
    .limit(page.limit)
    .execute()
}

export async function findChannel(trx: Trx, id: string): Promise<Channel | undefined> {
  return trx.selectFrom('channels').selectAll().where('id', '=', id).executeTakeFirst()
}

export async function updateChannel(trx: Trx, id: string, change: Updateable<Channels>): Promise<void> {
  await trx.updateTable('channels').set(change).where('id', '=', id).execute()
}

/** Which workspace a webhook's channel belongs to. It never changes, so the answer may be kept. */
export async function findWorkspaceOfChannel(trx: SystemTrx, channel_id: string): Promise<string | undefined> {
  const row = await trx.selectFrom('channels').select('workspace_id').where('id', '=', channel_id).executeTakeFirst()
  return row?.workspace_id
}

/**
 * Takes a channel's turn to be polled, for as long as `until`: nobody else polls it meanwhile, and if its worker dies
 * it is due again then. Undefined when it is not due.
 */
export async function takePollTurn(trx: Trx, id: string, now: Date, until: Date): Promise<Channel | undefined> {
  return trx
    .updateTable('channels')
    .set({ next_poll_at: until })
    .where('id', '=', id)
    .where('status', '=', 'active')
    .where('next_poll_at', '<=', now)
    .where(eb => eb.or([eb('resume_at', 'is', null), eb('resume_at', '<=', now)]))
    .returningAll()
    .executeTakeFirst()
}

/** Makes a channel due now, unless it is being polled or its last poll failed: those times are kept. */
export async function hastenPoll(trx: Trx, id: string, now: Date): Promise<void> {
  const soon = new Date(now.getTime() + LONGEST_PAUSE_MS)
  await trx
    .updateTable('channels')
    .set({ next_poll_at: now })
    .where('id', '=', id)
    .where('poll_failures', '=', 0)
    .where('next_poll_at', '>', now)
    .where('next_poll_at', '<=', soon)
    .execute()
}

export type DueChannel = { workspace_id: string; channel_id: string }

/** Active channels whose network may be asked again, longest overdue first. */
export async function listChannelsToPoll(trx: SystemTrx, now: Date, limit: number): Promise<DueChannel[]> {
  return trx
    .selectFrom('channels')
    .select(['workspace_id', 'id as channel_id'])
    .where('status', '=', 'active')
    .where('next_poll_at', '<=', now)
    .orderBy('next_poll_at')
    .limit(limit)
    .execute()
}
