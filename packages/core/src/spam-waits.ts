import {
  type Conversation,
  findChannel,
  findOldestAwaiting,
  type JudgedMessage,
  listSpeakers,
  lockOpenWaits,
  markSpam,
  type NewEvent,
  settleAnswers,
  type Trx,
} from '@parley/db'
import type { Actor } from '@parley/domain'
import { cancelWait } from './cancel-wait.ts'
import { dispositionEvents } from './disposition-events.ts'
import { openWaits } from './open-waits.ts'
import { loadPromises } from './sla/promises.ts'
import { followWindows } from './sla/window-clocks.ts'

/** Nobody answers spam, so nobody waits in it. The caller has locked the conversation. Returns what to log. */
export async function cancelSpamWaits(trx: Trx, { id }: Conversation, actor: Actor, now: Date): Promise<NewEvent[]> {
  const events = dispositionEvents(await markSpam(trx, id, now), actor, now)
  for (const wait of await lockOpenWaits(trx, id))
    events.push(...(await cancelWait(trx, wait, { reason: 'spam' }, id, actor, now)))
  return events
}

/**
 * It was no spam after all: each customer waits since their oldest unanswered message, as if it had never been taken for
 * spam. The caller has locked the conversation. Returns what to log.
 */
export async function restoreSpamWaits(
  trx: Trx,
  conversation: Conversation,
  actor: Actor,
  now: Date,
): Promise<NewEvent[]> {
  const { id: conversation_id, channel_id } = conversation
  const events = dispositionEvents(await noSpamAfterAll(trx, conversation_id), actor, now)
  const channel = (await findChannel(trx, channel_id))!
  const unanswered = []
  for (const contact_id of await listSpeakers(trx, conversation_id)) {
    const customer = { conversation_id, contact_id }
    const message = await findOldestAwaiting(trx, customer, channel.connected_at)
    if (message) unanswered.push({ ...message, contact_id })
  }
  const promises = await loadPromises(trx, channel)
  const opened = await openWaits(trx, channel, unanswered, [conversation], promises, now)
  await followWindows(trx, [conversation_id], 'window_gone', now)
  return [...events, ...opened.events]
}

/** Who was answered in what was taken for spam has been answered. */
async function noSpamAfterAll(trx: Trx, conversation_id: string): Promise<JudgedMessage[]> {
  const cleared = await markSpam(trx, conversation_id, null)
  const ids = cleared.map(({ id }) => id)
  const settled = new Map((await settleAnswers(trx, conversation_id, ids)).map(message => [message.id, message]))
  return cleared.map(message => ({
    ...message,
    disposition: settled.get(message.id)?.disposition ?? message.disposition,
  }))
}
