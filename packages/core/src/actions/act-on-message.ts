import { type Channel, findLatestAction, findMessage, type Trx } from '@parley/db'
import {
  type Actor,
  type ChannelCapabilities,
  type ConversationAction,
  DomainError,
  isAlready,
  NotFound,
  verbsBeside,
} from '@parley/domain'
import type { QueuedAction } from '../batches/advance-batch.ts'
import { dismissMessage } from '../dismiss-message.ts'
import { flagMessage } from '../flag-message.ts'
import { queueAction } from '../queue-action.ts'

/** The message that actions are done to: the one that an event is about, null where it is about none. */
export type ActedOn = { message_id: string | null; capabilitiesOf: (channel: Channel) => ChannelCapabilities }

type MessageAction = Extract<ConversationAction, { type: 'dismiss' | 'flag' | 'hide' | 'like' }>

/**
 * Does something to the message, in a conversation that the caller has locked. What it is already, or is on its way to, it
 * is not made again: so one message is hidden once, however many rules say so. What goes to a network is queued.
 * @throws NotFound for one that stands in another conversation by now, or DomainError as the call for one message has it
 */
export async function actOnMessage(
  trx: Trx,
  conversation_id: string,
  action: MessageAction,
  { message_id, capabilitiesOf }: ActedOn,
  actor: Actor & { type: 'user' | 'api_key' | 'rule'; id: string },
  now: Date,
): Promise<{ changed: boolean; queued?: QueuedAction }> {
  if (!message_id) throw new DomainError('action_refused', 'What happened is about no message.')
  const message = await findMessage(trx, message_id)
  if (message?.conversation_id !== conversation_id) throw new NotFound('message')
  const ids = { conversation_id, message_id }
  if (action.type === 'dismiss') {
    if (message.dismissed_at) return { changed: false }
    await dismissMessage(trx, ids, action, actor, now)
    return { changed: true }
  }
  if (action.type === 'flag') {
    if (message.flagged_at) return { changed: false }
    await flagMessage(trx, message_id, action.reason, actor, now)
    return { changed: true }
  }
  const verb = action.type
  if (isAlready(verb, message, await findLatestAction(trx, message_id, verbsBeside(verb)))) return { changed: false }
  const { id: action_id } = await queueAction(trx, { ...ids, verb, actor }, capabilitiesOf, now)
  return { changed: true, queued: { message_id, action_id } }
}
