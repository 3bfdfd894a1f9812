import {
  type Conversation,
  type ConversationTouch,
  type NewEvent,
  type Trx,
  touchConversations,
  type Waiting,
} from '@parley/db'
import { SYSTEM, statusAfterCustomerMessage } from '@parley/domain'
import type { MessageRow } from './message-row.ts'
import type { OpenedThreads } from './open-threads.ts'
import { earlierOf, type UnansweredMessage } from './open-waits.ts'
import { takeBackReopened } from './people/hand-back.ts'
import type { PostOf } from './place-on-posts.ts'
import { type Arrival, byThreadOrder } from './read-batch.ts'
import type { ChangedConversation } from './sla/settle-clocks.ts'

/** What a batch said in conversations. `waiting`: who waits since then, by conversation; `postOf`: what they are on. */
type Spoken = {
  inserted: MessageRow[]
  unanswered: UnansweredMessage[]
  waiting: Map<string, Waiting>
  postOf: PostOf
}

/** `clocked`: those in which somebody waits since this batch, as they are now. */
export type MovedConversations = { events: NewEvent[]; clocked: ChangedConversation[] }

/**
 * Existing conversations follow what was said in them: open again, waiting, newest first. A message that is deleted
 * already moves a conversation in the list, as it would have before its deletion, and opens nothing. What is open again and
 * belongs to somebody who is not there goes back to the queue.
 * @param fresh the new messages in the order of the thread
 */
export async function moveConversations(
  trx: Trx,
  conversations: Conversation[],
  fresh: Arrival[],
  { conversationOf, threadOf }: Pick<OpenedThreads, 'conversationOf' | 'threadOf'>,
  { inserted, unanswered, waiting, postOf }: Spoken,
  contactOf: (external_id: string) => string,
  now: Date,
): Promise<MovedConversations> {
  if (conversations.length === 0) return { events: [], clocked: [] }
  const newest = new Map<string, Date>()
  for (const { conversation_id, occurred_at } of inserted)
    newest.set(conversation_id, later(newest.get(conversation_id) ?? occurred_at, occurred_at))
  const spokenTo = new Set(unanswered.map(message => message.conversation_id))
  const first = new Map<string, Arrival>()
  for (const arrival of fresh)
    if (!arrival.from_us && !threadOf(arrival) && !first.has(conversationOf(arrival).id))
      first.set(conversationOf(arrival).id, arrival)

  const placed = conversations.filter(row => postOf(row.thread_key, row) !== row.post_id)
  const touched = conversations.filter(row => newest.has(row.id) || spokenTo.has(row.id) || placed.includes(row))
  const statusOf = (row: Conversation) => (spokenTo.has(row.id) ? statusAfterCustomerMessage(row.status) : row.status)
  await touchConversations(
    trx,
    touched.map(row => ({
      id: row.id,
      status: statusOf(row),
      ...waitingIn(row, waiting.get(row.id)),
      post_id: postOf(row.thread_key, row),
      last_message_at: later(row.last_message_at, newest.get(row.id) ?? row.last_message_at),
      ...beginningOf(row, first.get(row.id), contactOf),
      updated_at: now,
    })),
  )
  const reopened = touched.filter(row => statusOf(row) !== row.status)
  const events = reopened.map(row => ({
    type: 'conversation.reopened' as const,
    at: now,
    actor: SYSTEM,
    conversation_id: row.id,
    data: { status: 'open' },
    previous: { status: row.status },
  }))
  const moved = placed.map(row => ({
    type: 'conversation.updated' as const,
    at: now,
    actor: SYSTEM,
    conversation_id: row.id,
    data: { post_id: postOf(row.thread_key, row) },
    previous: { post_id: row.post_id },
  }))
  const back = await takeBackReopened(trx, reopened, now)
  const clocked = touched
    .filter(row => spokenTo.has(row.id))
    .map(row => {
      const present = { ...row, status: statusOf(row), ...waitingIn(row, waiting.get(row.id)) }
      if (!back.ids.has(row.id)) return { ...present, changed: ['status'] as const }
      const was = { owner_id: row.assignee_id, team_id: row.team_id }
      return { ...present, assignee_id: null, was, changed: ['status', 'assignee_id'] as const }
    })
  return { events: [...events, ...moved, ...back.events], clocked }
}

/** Who wrote first in a thread names its customer and its subject, also when that message arrives last. */
function beginningOf(
  row: Conversation,
  arrival: Arrival | undefined,
  contactOf: (external_id: string) => string,
): Pick<ConversationTouch, 'contact_id' | 'subject' | 'first_message_at' | 'first_external_id'> {
  const { contact_id, subject, first_message_at, first_external_id } = row
  const begins =
    arrival &&
    (contact_id === null ||
      (first_external_id !== null &&
        byThreadOrder(arrival, { occurred_at: first_message_at, external_id: first_external_id }) < 0))
  if (!begins) return { contact_id, subject, first_message_at, first_external_id }
  return {
    contact_id: contactOf(arrival.author.external_id),
    subject: arrival.subject,
    first_message_at: arrival.occurred_at,
    first_external_id: arrival.external_id,
  }
}

const waitingIn = ({ waiting_since, next_due_at }: Conversation, more: Waiting | undefined): Waiting => {
  const before = { waiting_since, next_due_at }
  return more ? earlierOf(before, more) : before
}

const later = (a: Date, b: Date) => (b > a ? b : a)
