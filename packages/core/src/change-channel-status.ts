import { appendEvents, type Channel, lockChannel, type Trx, updateChannel } from '@parley/db'
import { type Actor, DomainError, NotFound } from '@parley/domain'

/**
 * Lets a channel rest. What its network brings by webhook is still stored, and nothing else happens: no polls, no new
 * messages, no replies. Pausing it again changes nothing.
 * @throws NotFound, or DomainError `conflict` for a channel that is disabled
 */
export function pauseChannel(trx: Trx, id: string, actor: Actor, now: Date): Promise<Channel> {
  return changeChannelStatus(trx, id, 'paused', actor, now)
}

/** Lets a paused channel go on where it was. Hint ingest and poll after the commit; replies follow within a minute. */
export function resumeChannel(trx: Trx, id: string, actor: Actor, now: Date): Promise<Channel> {
  return changeChannelStatus(trx, id, 'active', actor, now)
}

async function changeChannelStatus(
  trx: Trx,
  id: string,
  status: 'active' | 'paused',
  actor: Actor,
  now: Date,
): Promise<Channel> {
  const channel = await lockChannel(trx, id)
  if (!channel || channel.status === 'deleted') throw new NotFound('channel')
  if (channel.status === status) return channel
  if (channel.status === 'disabled') {
    const details = { state: channel.status }
    throw new DomainError('conflict', 'The network no longer lets us in: connect the account again.', details)
  }
  await updateChannel(trx, id, { status })
  const type = status === 'paused' ? 'channel.paused' : 'channel.resumed'
  const previous = { status: channel.status }
  await appendEvents(trx, [{ type, at: now, actor, data: { channel_id: id, status }, previous }])
  return { ...channel, status }
}
