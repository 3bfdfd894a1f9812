import type { ChannelKind } from '@parley/domain'
import { sql } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { Channel } from './channels.ts'

/** A worker process that keeps connections open, and until when they are its own. */
export type ListenerLease = { holder: string; until: Date }

/** Active channels of these kinds that nobody listens to, and may be tried now. */
export async function listChannelsToListen(
  trx: SystemTrx,
  kinds: ChannelKind[],
  now: Date,
  limit: number,
): Promise<{ workspace_id: string; channel_id: string }[]> {
  return trx
    .selectFrom('channels as c')
    .leftJoin('channel_listeners as l', join =>
      join.onRef('l.workspace_id', '=', 'c.workspace_id').onRef('l.channel_id', '=', 'c.id'),
    )
    .select(['c.workspace_id', 'c.id as channel_id'])
    .where('c.status', '=', 'active')
    .where('c.kind', 'in', kinds)
    .where(eb => eb.or([eb('l.lease_until', 'is', null), eb('l.lease_until', '<=', now)]))
    .where(eb => eb.or([eb('l.retry_at', 'is', null), eb('l.retry_at', '<=', now)]))
    .orderBy('c.id')
    .limit(limit)
    .execute()
}

/** Takes a channel that nobody listens to: how often that came to nothing before. Undefined when somebody was faster. */
export async function takeListener(
  trx: Trx,
  channel_id: string,
  { holder, until }: ListenerLease,
  now: Date,
): Promise<{ failures: number } | undefined> {
  const row = { channel_id, holder, lease_until: until }
  return trx
    .insertInto('channel_listeners')
    .values(row)
    .onConflict(conflict =>
      conflict
        .columns(['workspace_id', 'channel_id'])
        .doUpdateSet({ holder, lease_until: until })
        .where('channel_listeners.lease_until', '<=', now)
        .where(eb =>
          eb.or([eb('channel_listeners.retry_at', 'is', null), eb('channel_listeners.retry_at', '<=', now)]),
        ),
    )
    .returning('failures')
    .executeTakeFirst()
}

export type HeldChannel = Pick<Channel, 'id' | 'credentials_sealed' | 'settings'>

/** Those that are still the holder's and still to be listened to, as they are now; the others are lost. */
export async function renewListeners(
  trx: Trx,
  channel_ids: string[],
  { holder, until }: ListenerLease,
): Promise<HeldChannel[]> {
  return trx
    .updateTable('channel_listeners as l')
    .from('channels as c')
    .set({ lease_until: until })
    .whereRef('c.workspace_id', '=', 'l.workspace_id')
    .whereRef('c.id', '=', 'l.channel_id')
    .where('c.status', '=', 'active')
    .where('l.holder', '=', holder)
    .where('l.channel_id', '=', sql<string>`any(${channel_ids}::uuid[])`)
    .returning(['c.id', 'c.credentials_sealed', 'c.settings'])
    .execute()
}

/** Lets a channel be listened to at once, however often that came to nothing: it has changed since. */
export async function forgetListenerPause(trx: Trx, channel_id: string): Promise<void> {
  await trx
    .updateTable('channel_listeners')
    .set({ failures: 0, retry_at: null })
    .where('channel_id', '=', channel_id)
    .execute()
}

/** Lets others have it from `now` on, but not before `retry_at`. Nothing when another holder has it already. */
export async function releaseListener(
  trx: Trx,
  channel_id: string,
  holder: string,
  change: { lease_until: Date; failures: number; retry_at: Date | null },
): Promise<void> {
  await trx
    .updateTable('channel_listeners')
    .set(change)
    .where('channel_id', '=', channel_id)
    .where('holder', '=', holder)
    .execute()
}
