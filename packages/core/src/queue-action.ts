import {
  appendEvents,
  type Channel,
  currentSendEpoch,
  findChannel,
  findLatestActionAt,
  findMessage,
  insertMessageAction,
  lockConversation,
  lockMessage,
  type Message,
  type MessageAction,
  type NewEvent,
  newId,
  type Trx,
} from '@parley/db'
import {
  type ActionVerb,
  type Actor,
  type ChannelCapabilities,
  DomainError,
  NotFound,
  whyTooLong,
} from '@parley/domain'
import { inBatch } from './batches/in-batch.ts'
import { isErasedText } from './erased-ids.ts'

export type ActionDraft = {
  conversation_id: string
  message_id: string
  verb: ActionVerb
  /** The new text of an edit. */
  body?: string | undefined
  hold_seconds?: number | undefined
  /** The batch that asks for it. */
  batch_id?: string | undefined
  actor: Actor & { type: 'user' | 'api_key' | 'rule' }
}

/**
 * Stores what is to be done to a message on its network, in the caller's transaction.
 * @throws NotFound, or DomainError `action_refused` when the network has no such thing or it makes no sense here
 */
export async function queueAction(
  trx: Trx,
  draft: ActionDraft,
  capabilitiesOf: (channel: Channel) => ChannelCapabilities,
  now: Date,
): Promise<MessageAction> {
  const found = await findMessage(trx, draft.message_id)
  if (found?.conversation_id !== draft.conversation_id) throw new NotFound('message')
  await lockConversation(trx, found.conversation_id)
  const message = (await lockMessage(trx, found.id))!
  const channel = (await findChannel(trx, message.channel_id))!
  if (channel.status === 'deleted') throw refused('The channel of this conversation is gone.')
  if (message.external_id && isErasedText(message.external_id)) throw refused('The message was erased.')
  refuseImpossible(message, draft, capabilitiesOf(channel))
  // Each comes after the one before it, in the same millisecond too: hiding and showing keep their order.
  const latest = await findLatestActionAt(trx, message.id)
  const created_at = new Date(Math.max(now.getTime(), (latest?.getTime() ?? 0) + 1))
  const hold_until = draft.hold_seconds ? new Date(now.getTime() + draft.hold_seconds * 1000) : null
  const action = await insertMessageAction(trx, {
    id: newId(now),
    message_id: message.id,
    conversation_id: message.conversation_id,
    channel_id: channel.id,
    verb: draft.verb,
    body: draft.body ?? null,
    state: 'queued',
    actor_type: draft.actor.type,
    actor_id: draft.actor.id!,
    batch_id: draft.batch_id ?? null,
    send_epoch: await currentSendEpoch(trx),
    hold_until,
    created_at,
    next_attempt_at: hold_until ?? now,
  })
  const { conversation_id } = message
  const data = { action_id: action.id, message_id: message.id, verb: draft.verb, ...(hold_until ? { hold_until } : {}) }
  const queued: NewEvent = { type: 'action.queued', at: now, actor: draft.actor, conversation_id, data }
  await appendEvents(trx, inBatch([queued], draft.batch_id))
  return action
}

function refuseImpossible(message: Message, { verb, body }: ActionDraft, capabilities: ChannelCapabilities): void {
  if (!capabilities.actions.includes(verb))
    throw refused(`The network of this channel has no way to ${verb} a message.`)
  if (!message.external_id || !['received', 'sent'].includes(message.state)) {
    throw refused('The message is not on its network.')
  }
  if (message.deleted_at && verb !== 'delete') throw refused('The message is deleted on its network.')
  const ours = message.direction === 'outbound'
  if ((verb === 'delete' || verb === 'edit') && !ours) throw refused(`Only what we wrote ourselves can we ${verb}.`)
  if ((verb === 'hide' || verb === 'unhide') && ours) throw refused(`What we wrote ourselves is deleted, not hidden.`)
  const reason = verb === 'edit' ? whyTooLong(body!, capabilities.text) : undefined
  if (reason) throw refused(reason)
}

const refused = (reason: string) => new DomainError('action_refused', reason)
