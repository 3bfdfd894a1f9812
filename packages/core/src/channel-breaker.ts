import { appendEvents, type Channel, type NewEvent, type Trx, takeSendProbe, updateChannel } from '@parley/db'
import { SYSTEM } from '@parley/domain'

/** So many calls in a row that came to nothing are no accident. */
const OPENS_AFTER = 5
const FIRST_PAUSE_MS = 30_000
const LONGEST_PAUSE_MS = 10 * 60_000
/** While one reply tries whether the network is back, the others wait for what becomes of it. */
const PROBE_MS = 60_000

/** Whether a channel's network may be asked anything at all. A limit of its writes does not stop reading. */
export function isReady({ status, resume_at }: Channel, now: Date): boolean {
  return status === 'active' && (!resume_at || resume_at <= now)
}

/**
 * Whether something may be written to the channel's network now: its network does not ask us to wait, and its breaker is
 * closed, or it is open and this is the one call that tries.
 */
export async function maySend(trx: Trx, channel: Channel, now: Date): Promise<boolean> {
  if (!isReady(channel, now)) return false
  if (channel.send_failures < OPENS_AFTER) return !channel.send_resume_at || channel.send_resume_at <= now
  return takeSendProbe(trx, channel.id, new Date(now.getTime() + PROBE_MS), now)
}

/** When it makes sense to ask `maySend` again; null when no time is known. */
export function sendsAgainAt({ resume_at, send_resume_at }: Channel, now: Date): Date | null {
  const times = [resume_at, send_resume_at].filter(time => time !== null && time > now)
  return times.length === 0 ? null : new Date(Math.max(...times.map(time => time!.getTime())))
}

/**
 * Counts a call to a channel's network: any answer closes the breaker, none for several times in a row opens it, for
 * ever longer.
 * @param random from 0 to 1: channels that fail together do not come back together
 */
export async function recordCall(
  trx: Trx,
  channel: Channel,
  answered: boolean,
  { now, random }: { now: Date; random: number },
): Promise<void> {
  if (answered && channel.send_failures === 0) return
  const failures = answered ? 0 : channel.send_failures + 1
  const pause = failures < OPENS_AFTER ? null : new Date(now.getTime() + pauseMs(failures, random))
  // Below the threshold the time is not the breaker's: the network asked for it.
  const ours = pause !== null || channel.send_failures >= OPENS_AFTER
  await updateChannel(trx, channel.id, { send_failures: failures, ...(ours ? { send_resume_at: pause } : {}) })
  const event = (type: NewEvent['type']): NewEvent => {
    return { type, at: now, actor: SYSTEM, data: { channel_id: channel.id, reason: 'sends', send_failures: failures } }
  }
  if (failures === OPENS_AFTER) await appendEvents(trx, [event('channel.degraded')])
  if (answered && channel.send_failures >= OPENS_AFTER) await appendEvents(trx, [event('channel.recovered')])
}

function pauseMs(failures: number, random: number): number {
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** (failures - OPENS_AFTER), LONGEST_PAUSE_MS)
  return Math.round(pause * (0.8 + 0.4 * random))
}
