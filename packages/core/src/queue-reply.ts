import {
  appendEvents,
  type Channel,
  findChannel,
  findLatestCustomerMessage,
  findMessage,
  insertMessage,
  listCustomerMessagesAfter,
  lockConversation,
  type Message,
  newId,
  type Trx,
} from '@parley/db'
import {
  type Actor,
  type ChannelCapabilities,
  DomainError,
  NotFound,
  type Visibility,
  whyTooLong,
} from '@parley/domain'

export type ReplyDraft = {
  conversation_id: string
  author: Actor & { type: 'user' | 'api_key' }
  body: string
  visibility: Visibility
  in_reply_to?: string | undefined
  seen_up_to?: string | undefined
  force: boolean
  resolve_after: boolean
}

/** How replies leave a channel: what its network allows, and whether a worker sends or an integration fetches. */
export type Delivery = { capabilities: ChannelCapabilities; pulled: boolean }

/**
 * Stores a reply for delivery and logs it, in the caller's transaction.
 * @throws NotFound, or DomainError `newer_messages` when a customer wrote after `seen_up_to`,
 *   `reply_refused` when the network could not take it: better said now than after queueing
 */
export async function queueReply(
  trx: Trx,
  draft: ReplyDraft,
  deliveryOf: (channel: Channel) => Delivery,
  now: Date,
): Promise<Message> {
  const conversation = await lockConversation(trx, draft.conversation_id)
  if (!conversation) throw new NotFound('conversation')
  const channel = (await findChannel(trx, conversation.channel_id))!
  if (channel.status === 'deleted') throw new DomainError('reply_refused', 'The channel of this conversation is gone.')
  const delivery = deliveryOf(channel)
  refuseUnsendable(draft.body, delivery.capabilities)
  if (draft.seen_up_to && !draft.force) await refuseUnseen(trx, conversation.id, draft.seen_up_to)
  const parent = await findParent(trx, conversation.id, draft.in_reply_to)
  const message = await insertMessage(trx, {
    id: newId(now),
    conversation_id: conversation.id,
    channel_id: channel.id,
    direction: 'outbound',
    kind: 'reply',
    visibility: draft.visibility,
    state: 'queued',
    author_type: draft.author.type,
    author_id: draft.author.id,
    contact_id: parent?.contact_id ?? conversation.contact_id,
    body: draft.body,
    in_reply_to: parent?.id ?? null,
    occurred_at: now,
    received_at: now,
    processed_at: now,
    version_at: now,
    resolve_after: draft.resolve_after,
    next_attempt_at: delivery.pulled ? null : now,
  })
  const data = { message_id: message.id, channel_id: channel.id, in_reply_to: message.in_reply_to }
  await appendEvents(trx, [
    { type: 'reply.queued', at: now, actor: draft.author, conversation_id: conversation.id, data },
  ])
  return message
}

function refuseUnsendable(body: string, { text }: ChannelCapabilities): void {
  const reason = whyTooLong(body, text)
  if (reason) throw new DomainError('reply_refused', reason)
}

async function refuseUnseen(trx: Trx, conversation_id: string, seen_up_to: string): Promise<void> {
  const seen = await findMessage(trx, seen_up_to)
  if (seen?.conversation_id !== conversation_id) {
    throw new DomainError('validation_failed', 'seen_up_to names no message of this conversation.')
  }
  const newer = await listCustomerMessagesAfter(trx, conversation_id, seen)
  if (newer.length === 0) return
  const messages = newer.map(({ id, body, contact_id, occurred_at }) => ({ id, body, contact_id, occurred_at }))
  throw new DomainError('newer_messages', 'A customer has written since; read it, then send again.', { messages })
}

async function findParent(trx: Trx, conversation_id: string, id: string | undefined): Promise<Message | undefined> {
  if (!id) return findLatestCustomerMessage(trx, conversation_id)
  const parent = await findMessage(trx, id)
  if (parent?.conversation_id !== conversation_id || parent.direction !== 'inbound') {
    throw new DomainError('validation_failed', 'in_reply_to names no message of a customer in this conversation.')
  }
  if (parent.deleted_at) throw new DomainError('reply_refused', 'The customer has deleted the message you answer.')
  return parent
}
