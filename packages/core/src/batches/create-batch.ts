import {
  type BatchTarget,
  type Credential,
  findConversation,
  findPost,
  findSeenMessage,
  freezeTarget,
  insertBatch,
  type KeptSelection,
  type MessageBatch,
  newId,
  sees,
  type Trx,
} from '@parley/db'
import { type BatchAction, ConversationMerged, DomainError, type Member } from '@parley/domain'
import { beginBatch } from './begin-batch.ts'

/** What one batch takes of a selection: its rows are written in about two seconds. */
const MAX_SELECTED = 100_000

export type BatchOrder = {
  action: BatchAction
  /** Why, of a dismissal. */
  reason?: string | undefined
  /** One of these three. */
  message_ids?: string[] | undefined
  conversation_id?: string | undefined
  post_id?: string | undefined
  fingerprint?: string | undefined
  /** The last message that was seen, or when that was; without it everything that is there now. */
  up_to?: string | Date | undefined
}

type Caller = Pick<Credential, 'id' | 'user_id' | 'inbox_ids'>

/**
 * Makes a batch of messages and fixes what it is of; a worker then goes through it. What comes in later is not in it, nor
 * is what came in after `up_to`.
 * @throws DomainError `validation_failed` for a conversation, post or `up_to` that is not there or not seen, or
 *   ConversationMerged
 */
export async function createBatch(
  trx: Trx,
  order: BatchOrder,
  caller: Caller,
  author: Member,
  now: Date,
): Promise<MessageBatch> {
  const { action, reason, message_ids } = order
  const target = message_ids ? { message_ids } : await selectionOf(trx, order, caller)
  const id = newId(now)
  await insertBatch(trx, {
    id,
    action,
    reason: reason ?? null,
    selection: message_ids ? null : keptOf(order),
    state: 'running',
    total: 0,
    inbox_ids: [],
    created_by_type: author.type,
    created_by_id: author.id,
    created_at: now,
  })
  return beginBatch(trx, id, await freezeTarget(trx, { id, action }, target, caller, MAX_SELECTED, now), now)
}

async function selectionOf(trx: Trx, order: BatchOrder, caller: Caller): Promise<BatchTarget> {
  const { conversation_id, post_id, fingerprint } = order
  if (conversation_id) {
    const conversation = await findConversation(trx, conversation_id)
    if (!conversation || !(await sees(trx, caller, 'conversation', conversation_id)))
      throw unknown('conversation_id', 'conversation')
    if (conversation.merged_into_id) throw new ConversationMerged(conversation.merged_into_id)
    return { conversation_id, seen_until: await seenUntil(trx, order) }
  }
  const post = await findPost(trx, post_id!)
  if (!post || !(await sees(trx, caller, 'post', post.id))) throw unknown('post_id', 'post')
  return { post_id: post.id, fingerprint, seen_until: await seenUntil(trx, order) }
}

/** When the last message that was seen had come in here: by then everything else could be seen that had, too. */
async function seenUntil(trx: Trx, { up_to, ...target }: BatchOrder): Promise<Date | null> {
  if (typeof up_to !== 'string') return up_to ?? null
  const message = await findSeenMessage(trx, up_to, target)
  if (!message) throw unknown('up_to', 'message of that selection')
  return message.processed_at
}

function keptOf({ conversation_id, post_id, fingerprint, up_to }: BatchOrder): KeptSelection {
  return {
    ...(conversation_id && { conversation_id }),
    ...(post_id && { post_id }),
    ...(fingerprint && { fingerprint }),
    ...(up_to && { up_to: typeof up_to === 'string' ? up_to : up_to.toISOString() }),
  }
}

const unknown = (field: string, what: string) => new DomainError('validation_failed', `${field} names no ${what}.`)
