import {
  allowLongStatements,
  type BatchSelection,
  type Credential,
  findChannel,
  findConversation,
  findPost,
  findSeenMessage,
  freezeNamed,
  freezeSelection,
  insertBatch,
  type KeptSelection,
  type MessageBatch,
  newId,
  sees,
  type Trx,
} from '@parley/db'
import { type BatchAction, ConversationMerged, type Dismissal, DomainError, type Member } from '@parley/domain'
import { refuseUnlistedReason } from '../dismiss-message.ts'
import { beginBatch } from './begin-batch.ts'

/** What one batch takes of a selection. Its rows are written while somebody waits, in one statement. */
const MAX_SELECTED = 100_000

export type BatchOrder = {
  action: BatchAction
  /** Why, of a dismissal. */
  reason?: string | undefined
  as?: Dismissal | undefined
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
 * @throws DomainError `validation_failed` for a conversation, post or `up_to` that is not there or not seen,
 *   or a reason that the workspace does not list; ConversationMerged
 */
export async function createBatch(
  trx: Trx,
  order: BatchOrder,
  caller: Caller,
  author: Member,
  now: Date,
): Promise<MessageBatch> {
  const { action, reason, message_ids } = order
  if (reason !== undefined) await refuseUnlistedReason(trx, reason)
  const selection = message_ids ? undefined : await selectionOf(trx, order, caller)
  const id = newId(now)
  await insertBatch(trx, {
    id,
    action,
    reason: reason ?? null,
    dismissed_as: action === 'dismiss' ? (order.as ?? 'no_reply_needed') : null,
    selection: selection ? keptOf(order) : null,
    state: 'running',
    total: 0,
    inbox_ids: [],
    created_by_type: author.type,
    created_by_id: author.id,
    created_at: now,
  })
  if (selection) await allowLongStatements(trx)
  const frozen = selection
    ? await freezeSelection(trx, { id, action }, selection, MAX_SELECTED)
    : await freezeNamed(trx, id, message_ids ?? [], caller, now)
  return beginBatch(trx, id, frozen, now)
}

async function selectionOf(trx: Trx, order: BatchOrder, caller: Caller): Promise<BatchSelection> {
  const { conversation_id, post_id, fingerprint } = order
  if (conversation_id) {
    const conversation = await findConversation(trx, conversation_id)
    if (!conversation || !(await sees(trx, caller, 'conversation', conversation_id)))
      throw unknown('conversation_id', 'conversation')
    if (conversation.merged_into_id) throw new ConversationMerged(conversation.merged_into_id)
    return { conversation_id, inbox_id: conversation.inbox_id, seen_until: await seenUntil(trx, order) }
  }
  const post = await findPost(trx, post_id!)
  if (!post || !(await sees(trx, caller, 'post', post.id))) throw unknown('post_id', 'post')
  // Everything on a post came by its channel, and lies in the inbox of that.
  const { inbox_id } = (await findChannel(trx, post.channel_id))!
  return { post_id: post.id, fingerprint, inbox_id, seen_until: await seenUntil(trx, order) }
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
