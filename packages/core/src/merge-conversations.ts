import {
  appendEvents,
  type Conversation,
  findDraft,
  findWaiting,
  joinReads,
  lockConversations,
  lockOpenWaits,
  moveAllMessages,
  moveAllWaits,
  moveDraft,
  moveTeamwork,
  type NewEvent,
  redirectMerged,
  shareParticipants,
  shareTags,
  type Trx,
  updateConversation,
} from '@parley/db'
import { type Actor, ConversationMerged, DomainError, NotFound, SYSTEM, statusAfterMerge } from '@parley/domain'
import { cancelWait } from './cancel-wait.ts'
import { settleClocks } from './sla/settle-clocks.ts'
import { followWindows } from './sla/window-clocks.ts'

export type ConversationMerge = {
  into_id: string
  from_id: string
  /** In which versions the caller saw them. */
  into_version: number
  from_version?: number | undefined
}

/**
 * Moves everything that was said in one conversation into another of the same channel. The former becomes a pointer: what
 * its thread brings goes to the survivor from then on, and answers leave into the thread of the message they answer. Of a
 * customer who waits in both, the wait that began first goes on.
 * @throws NotFound, ConversationMerged, or DomainError `version_mismatch`, `validation_failed` for a `from_id` that names
 *   nothing or the survivor itself, `conflict` where they cannot be one
 */
export async function mergeConversations(trx: Trx, merge: ConversationMerge, actor: Actor, now: Date): Promise<void> {
  const { into, from } = await lockBoth(trx, merge)
  await refuseUnlike(trx, into, from)
  const events = await joinWaits(trx, into, from, now)
  const messages = await moveAllMessages(trx, from.id, into.id)
  await moveAllWaits(trx, from.id, into.id)
  await moveDraft(trx, from.id, into.id)
  await moveTeamwork(trx, from.id, into.id)
  await shareParticipants(trx, from.id, into.id)
  await shareTags(trx, from.id, into.id)
  await joinReads(trx, from.id, into.id)
  await redirectMerged(trx, from.id, into.id)
  const gone = await updateConversation(trx, from.id, {
    status: 'merged',
    merged_into_id: into.id,
    waiting_since: null,
    next_due_at: null,
    updated_at: now,
  })
  await followWindows(trx, [into.id], 'window_gone', now)
  const waiting = await findWaiting(trx, into.id)
  const status = statusAfterMerge(into.status, waiting.waiting_since !== null)
  const left = await updateConversation(trx, into.id, {
    ...waiting,
    status,
    resolved_at: status === 'resolved' ? into.resolved_at : null,
    contact_id: into.contact_id ?? from.contact_id,
    last_message_at: into.last_message_at > from.last_message_at ? into.last_message_at : from.last_message_at,
    updated_at: now,
  })
  const data = { from_id: from.id, into_id: into.id, messages }
  const event = { type: 'conversation.merged' as const, at: now, actor, data }
  await appendEvents(trx, [
    ...events,
    { ...event, conversation_id: into.id, previous: { status: into.status } },
    { ...event, conversation_id: from.id, previous: { status: from.status } },
  ])
  const changed = ['status'] as const
  await settleClocks(
    trx,
    [
      { ...gone, changed },
      { ...left, changed },
    ],
    actor,
    now,
  )
}

async function lockBoth(
  trx: Trx,
  { into_id, from_id, into_version, from_version }: ConversationMerge,
): Promise<{ into: Conversation; from: Conversation }> {
  const locked = await lockConversations(trx, [into_id, from_id])
  const into = locked.find(row => row.id === into_id)
  const from = locked.find(row => row.id === from_id)
  if (!into) throw new NotFound('conversation')
  if (!from) throw new DomainError('validation_failed', 'from_id names no conversation.')
  if (into === from) throw new DomainError('validation_failed', 'from_id names the conversation itself.')
  for (const { merged_into_id } of [into, from]) if (merged_into_id) throw new ConversationMerged(merged_into_id)
  if (into.version !== into_version || (from_version !== undefined && from.version !== from_version))
    throw new DomainError('version_mismatch', 'One of the conversations has changed since you read it.')
  return { into, from }
}

async function refuseUnlike(trx: Trx, into: Conversation, from: Conversation): Promise<void> {
  if (into.channel_id !== from.channel_id)
    throw new DomainError('conflict', 'They are of two channels: answers leave by the channel of their conversation.')
  if ((into.status === 'spam') !== (from.status === 'spam'))
    throw new DomainError('conflict', 'One of them is spam and the other is not.')
  if ((await findDraft(trx, into.id)) && (await findDraft(trx, from.id)))
    throw new DomainError('conflict', 'Both have a draft: send or discard one of them first.')
}

/** Whoever waits in both waits once from now on, since the earlier of the two. */
async function joinWaits(trx: Trx, into: Conversation, from: Conversation, now: Date): Promise<NewEvent[]> {
  const events: NewEvent[] = []
  const theirs = await lockOpenWaits(trx, into.id)
  for (const wait of await lockOpenWaits(trx, from.id)) {
    const other = theirs.find(row => row.contact_id === wait.contact_id)
    if (!other) continue
    const [kept, cancelled] = wait.opened_at < other.opened_at ? [wait, other] : [other, wait]
    events.push(
      ...(await cancelWait(trx, cancelled, { reason: 'merged', merged_into_id: kept.id }, into.id, SYSTEM, now)),
    )
  }
  return events
}
