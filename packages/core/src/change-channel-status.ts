import { appendEvents, type Channel, lockChannel, type OldReply, type Trx, updateChannel } from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'
import { oldRepliesTold, resumeSending } from './resume-sending.ts'

/** A channel, and the replies that waited for it longer than its setting. */
export type ResumedChannel = Channel & { old_replies: OldReply[] }

/**
 * Lets a channel rest. What its network brings by webhook is still stored, and nothing else happens: no polls, no new
 * messages, no replies. Pausing it again changes nothing.
 * @throws NotFound, or DomainError `conflict` for a channel that is disabled
 */
export function pauseChannel(trx: Trx, id: string, actor: Actor, now: Date): Promise<Channel> {
  return changeChannelStatus(trx, id, 'paused', actor, now)
}

/** Lets a paused channel go on where it was. Hint ingest and poll after the commit. */
export async function resumeChannel(trx: Trx, id: string, actor: Actor, now: Date): Promise<ResumedChannel> {
  return changeChannelStatus(trx, id, 'active', actor, now)
}

async function changeChannelStatus(
  trx: Trx,
  id: string,
  status: 'active' | 'paused',
  actor: Actor,
  now: Date,
): Promise<ResumedChannel> {
  const channel = await lockChannel(trx, id)
  if (!channel || channel.status === 'deleted') throw new NotFound('channel')
  if (channel.status === status) return { ...channel, old_replies: [] }
  if (channel.status === 'disabled') {
    const details = { state: channel.status }
    throw new DomainError('conflict', 'The network no longer lets us in: connect the account again.', details)
  }
  await updateChannel(trx, id, { status })
  const type = status === 'paused' ? 'channel.paused' : 'channel.resumed'
  const previous = { status: channel.status }
  const old_replies = status === 'active' ? await resumeSending(trx, channel, now) : []
  const data = { channel_id: id, status, ...oldRepliesTold(old_replies) }
  await appendEvents(trx, [{ type, at: now, actor, data, previous }])
  return { ...channel, status, old_replies }
}
