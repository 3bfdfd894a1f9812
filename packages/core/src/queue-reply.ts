import {
  appendEvents,
  attachToMessage,
  type Channel,
  type Conversation,
  currentSendEpoch,
  deleteDraft,
  findChannel,
  findContact,
  findLatestCustomerMessage,
  findLatestOccurredAt,
  findMessage,
  insertMessage,
  listMessagesAfter,
  listSamePerson,
  lockConversation,
  type Message,
  type NewEvent,
  newId,
  type Trx,
  wantsNoContact,
} from '@parley/db'
import {
  type Actor,
  type ChannelCapabilities,
  countCharacters,
  DomainError,
  isWider,
  NotFound,
  replyDeadline,
  splitText,
  type Visibility,
  visibilityOfAnswer,
  whyTooLong,
} from '@parley/domain'
import { keepClaim } from './claim-lease.ts'
import { lockForReply } from './reply-attachments.ts'

/** A reply that would be cut into more is an article, and better linked to. */
const MAX_PARTS = 20

export type ReplyDraft = {
  conversation_id: string
  author: Actor & { type: 'user' | 'api_key' }
  body: string
  /** As wide as the message it answers when absent. */
  visibility?: Visibility | undefined
  in_reply_to?: string | undefined
  seen_up_to?: string | undefined
  /** Whatever was said since `seen_up_to`, and also to somebody who is not to be contacted. */
  force: boolean
  resolve_after: boolean
  /** For how long its author can take it back before it goes out. */
  hold_seconds?: number | undefined
  /** Cut into several posts what is too long for one. */
  split?: boolean | undefined
  /** Uploads that go out with it, with the first of several posts. */
  attachment_ids?: string[] | undefined
  /** The shared draft that this was; it goes, unless somebody has written on. */
  draft_version?: number | undefined
}

/** How replies leave a channel: what its network allows, and whether a worker sends or an integration fetches. */
export type Delivery = {
  capabilities: ChannelCapabilities
  pulled: boolean
  /** What the network will count of an answer with this text to this message. */
  countedText: (text: string, parent: Message | undefined) => string
}

/**
 * Stores a reply for delivery and logs it, in the caller's transaction: one message, or one for each part of a long one.
 * @throws NotFound, or DomainError `newer_messages` when something was said after `seen_up_to`, `reply_refused` when the
 *   network could not take it: better said now than after queueing
 */
export async function queueReply(
  trx: Trx,
  draft: ReplyDraft,
  deliveryOf: (channel: Channel) => Delivery,
  now: Date,
): Promise<Message[]> {
  const conversation = await lockConversation(trx, draft.conversation_id)
  if (!conversation) throw new NotFound('conversation')
  await keepClaim(trx, conversation, draft.author, now)
  const channel = (await findChannel(trx, conversation.channel_id))!
  if (channel.status === 'deleted') throw new DomainError('reply_refused', 'The channel of this conversation is gone.')
  const delivery = deliveryOf(channel)
  const { capabilities, pulled } = delivery
  if (draft.seen_up_to && !draft.force) await refuseUnseen(trx, conversation.id, draft.seen_up_to)
  const parent = await findParent(trx, conversation.id, draft.in_reply_to)
  const contact_id = parent?.contact_id ?? conversation.contact_id
  if (contact_id) await refuseUnwanted(trx, contact_id, draft.force)
  const bodies = partsOf(draft, parent, delivery)
  const visibility = visibilityOf(draft.visibility, parent, capabilities)
  const hold_until = draft.hold_seconds ? new Date(now.getTime() + draft.hold_seconds * 1000) : null
  refuseTooLate(parent, capabilities, hold_until ?? now)

  const files = await lockForReply(trx, draft.attachment_ids ?? [], capabilities.attachments)

  const send_epoch = await currentSendEpoch(trx)
  const latest = await findLatestOccurredAt(trx, conversation.id)
  const messages: Message[] = []
  for (const [index, body] of bodies.entries()) {
    const last = index === bodies.length - 1
    // At the end of the thread, whatever the clocks of other machines say: who saw less than this is told so.
    const occurred_at = new Date(Math.max(now.getTime(), (latest?.getTime() ?? 0) + 1) + index)
    const id = newId(now)
    const before = messages.at(-1)
    const message = await insertMessage(trx, {
      id,
      conversation_id: conversation.id,
      channel_id: channel.id,
      direction: 'outbound',
      kind: 'reply',
      visibility,
      state: 'queued',
      author_type: draft.author.type,
      author_id: draft.author.id,
      contact_id,
      body,
      thread_conversation_id: parent?.thread_conversation_id ?? null,
      in_reply_to: before?.id ?? parent?.id ?? null,
      part_of: bodies.length > 1 ? (messages[0]?.id ?? id) : null,
      part_number: bodies.length > 1 ? index + 1 : null,
      occurred_at,
      received_at: now,
      processed_at: now,
      version_at: now,
      resolve_after: draft.resolve_after && last,
      hold_until,
      next_attempt_at: pulled ? null : (hold_until ?? now),
      send_epoch,
    })
    messages.push(message)
  }
  const [first, ...others] = messages
  const file_ids = files.map(file => file.id)
  await attachToMessage(trx, first!.id, file_ids)
  const events: NewEvent[] = messages.map(message => queuedEvent(message, conversation, draft.author, now))
  events.push(...(await clearDraft(trx, draft, now)))
  await appendEvents(trx, events)
  return [{ ...first!, has_attachments: files.length > 0 }, ...others]
}

async function clearDraft(trx: Trx, draft: ReplyDraft, now: Date): Promise<NewEvent[]> {
  const { conversation_id, draft_version, author } = draft
  if (draft_version === undefined || !(await deleteDraft(trx, conversation_id, draft_version))) return []
  return [{ type: 'draft.deleted', at: now, actor: author, conversation_id, data: { version: draft_version } }]
}

function queuedEvent(message: Message, conversation: Conversation, actor: Actor, now: Date) {
  const { id, channel_id, in_reply_to, hold_until, part_of } = message
  return {
    type: 'reply.queued' as const,
    at: now,
    actor,
    conversation_id: conversation.id,
    data: {
      message_id: id,
      channel_id,
      in_reply_to,
      ...(hold_until ? { hold_until } : {}),
      ...(part_of ? { part_of, part_number: message.part_number } : {}),
    },
  }
}

function partsOf({ body, split }: ReplyDraft, parent: Message | undefined, delivery: Delivery): string[] {
  const { capabilities, countedText } = delivery
  const limits = capabilities.text
  const reason = whyTooLong(countedText(body, parent), limits)
  if (!reason) return [body]
  if (!split) throw new DomainError('reply_refused', `${reason} Shorten it, or send it with split.`)
  // What goes out with each part takes its share of the room.
  const least = countedText('x', parent)
  const max_characters = limits.max_characters && limits.max_characters - countCharacters(least, limits) + 1
  const room = { ...limits, max_characters, max_bytes: limits.max_bytes - Buffer.byteLength(least) + 1 }
  const parts = splitText(body, room, MAX_PARTS)
  if (!parts) throw new DomainError('reply_refused', `${reason} It cannot be cut into ${MAX_PARTS} posts or fewer.`)
  return parts
}

/** Never wider than what it answers: a public answer would show what somebody said in private. */
function visibilityOf(
  asked: Visibility | undefined,
  parent: Message | undefined,
  { visibilities }: ChannelCapabilities,
): Visibility {
  const widest = parent?.visibility ?? 'public'
  const visibility = asked ?? visibilityOfAnswer(widest, visibilities)
  if (!visibility || !visibilities.includes(visibility)) {
    const offered = visibilities.join(', ')
    throw new DomainError('reply_refused', `Replies on this channel are ${offered}; ${asked ?? widest} is not offered.`)
  }
  if (isWider(visibility, widest)) {
    throw new DomainError('reply_refused', `The customer's message is ${widest}: answer it no wider than that.`)
  }
  return visibility
}

function refuseTooLate(parent: Message | undefined, capabilities: ChannelCapabilities, leaves_at: Date): void {
  const deadline = parent && (parent.reply_until ?? replyDeadline(parent.occurred_at, capabilities))
  if (!deadline || deadline > leaves_at) return
  const reason = `The network takes answers to this message until ${deadline.toISOString()}.`
  throw new DomainError('reply_refused', reason, { reply_deadline: deadline.toISOString() })
}

async function refuseUnseen(trx: Trx, conversation_id: string, seen_up_to: string): Promise<void> {
  const seen = await findMessage(trx, seen_up_to)
  if (seen?.conversation_id !== conversation_id) {
    throw new DomainError('validation_failed', 'seen_up_to names no message of this conversation.')
  }
  const newer = await listMessagesAfter(trx, conversation_id, seen)
  if (newer.length === 0) return
  const messages = newer.map(({ id, direction, state, body, contact_id, author_type, author_id, occurred_at }) => ({
    id,
    direction,
    state,
    body,
    contact_id,
    author_type,
    author_id,
    occurred_at,
  }))
  throw new DomainError('newer_messages', 'Something was said since; read it, then send again.', { messages })
}

/** Whoever said so as anybody they were merged with is not written to, and nobody can write to who was erased. */
export async function refuseUnwanted(trx: Trx, contact_id: string, force: boolean): Promise<void> {
  if ((await findContact(trx, contact_id))?.erased_at) {
    throw new DomainError('reply_refused', 'The customer was erased.', { contact_erased: true })
  }
  if (force) return
  if (!(await wantsNoContact(trx, await listSamePerson(trx, contact_id)))) return
  throw new DomainError(
    'reply_refused',
    'The customer is not to be contacted. Send with force to write all the same.',
    {
      do_not_contact: true,
    },
  )
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
