import {
  type Channel,
  type Conversation,
  closeWait,
  findMessage,
  findOldestAwaiting,
  lockOpenWait,
  lockWaitsEndedBy,
  type Message,
  type NewEvent,
  openWaitAgain,
  resumeClocksOf,
  type Trx,
  type Wait,
} from '@parley/db'
import { clockTime, SYSTEM } from '@parley/domain'
import { cancelWait } from './cancel-wait.ts'
import { endWait } from './fulfil-wait.ts'
import { moveWait } from './move-wait.ts'
import { openWaits } from './open-waits.ts'
import { aboutClock } from './sla/clock-events.ts'
import { loadPromises } from './sla/promises.ts'
import { followWindows } from './sla/window-clocks.ts'

/**
 * Lets the customer whom a reply had answered wait from where they began: it did not reach them. Where they have written
 * since, that wait begins as early instead; where another answer had reached them as well, their wait ended with that one.
 * A breach that is recorded stays. What the reply had answered has been judged anew already.
 */
export async function reopenWait(
  trx: Trx,
  channel: Channel,
  conversation: Conversation,
  reply: Message,
  now: Date,
): Promise<NewEvent[]> {
  const events: NewEvent[] = []
  for (const ended of await lockWaitsEndedBy(trx, reply.id))
    events.push(...(await reopen(trx, channel, conversation, ended, reply, now)))
  await followWindows(trx, [conversation.id], 'reply_bounced', now)
  return events
}

async function reopen(
  trx: Trx,
  channel: Channel,
  conversation: Conversation,
  ended: Wait,
  reply: Message,
  now: Date,
): Promise<NewEvent[]> {
  const { conversation_id, contact_id, opened_by_message_id } = ended
  const oldest = await findOldestAwaiting(trx, { conversation_id, contact_id }, channel.connected_at)
  const opener = await findMessage(trx, opened_by_message_id)
  const other = opener?.answered_by_id ? await findMessage(trx, opener.answered_by_id) : undefined
  if (other) {
    await resumeClocksOf(trx, ended.id, reply.id)
    const events = await endWait(trx, conversation, ended, other, now)
    if (!oldest) return events
    const promises = await loadPromises(trx, channel)
    const opened = await openWaits(trx, channel, [{ ...oldest, contact_id }], [conversation], promises, now)
    return [...events, ...opened.events]
  }
  const since = oldest && clockTime(oldest.occurred_at, oldest.received_at, channel.connected_at)
  const later = await lockOpenWait(trx, { conversation_id, contact_id })
  if (later) {
    await closeWait(trx, ended.id, {
      closed_at: ended.closed_at!,
      closed_by_message_id: null,
      cancelled_reason: 'reply_bounced',
    })
    if (!oldest || oldest.id === later.opened_by_message_id) return []
    return (await moveWait(trx, later, oldest.id, since!, 'reply_bounced', now)).events
  }
  await openWaitAgain(trx, ended.id)
  const events: NewEvent[] = []
  for (const clock of await resumeClocksOf(trx, ended.id, reply.id)) {
    const data = { ...aboutClock(clock), reason: 'reply_bounced' }
    events.push({ type: 'sla.retargeted', at: now, actor: SYSTEM, conversation_id, data })
  }
  // What it had answered may have been set aside since, or stand in another conversation.
  if (!oldest) events.push(...(await cancelWait(trx, ended, { reason: 'reply_bounced' }, conversation_id, SYSTEM, now)))
  else if (oldest.id !== opened_by_message_id)
    events.push(...(await moveWait(trx, ended, oldest.id, since!, 'reply_bounced', now)).events)
  return events
}
