import { type Channel, type Conversation, listTagsByKey, lockConversation, type Message, type Trx } from '@parley/db'
import {
  type ActionOutcome,
  type Actor,
  type ConversationAction,
  ConversationMerged,
  DomainError,
  type Member,
  searchKey,
} from '@parley/domain'
import { addNote } from '../add-note.ts'
import { assignConversation } from '../assign-conversation.ts'
import type { QueuedAction } from '../batches/advance-batch.ts'
import { applyChange, type ConversationChange } from '../change-conversation.ts'
import { changeConversationTeam } from '../change-conversation-team.ts'
import { type Delivery, queueReply } from '../queue-reply.ts'
import { readReplyValues, renderSavedReply } from '../render-saved-reply.ts'
import { renderTemplate } from '../reply-template.ts'
import { tagConversation, untagConversation } from '../tag-conversation.ts'
import { type ActedOn, actOnMessage } from './act-on-message.ts'

/** Who acts; `user_id` is who `me` is. */
export type Acting = {
  actor: Actor & { type: Member['type'] | 'rule'; id: string }
  user_id: string | null
  /** How replies go out, where there may be any. */
  reply?: {
    author: Member
    deliveryOf: (channel: Channel) => Delivery
    seen_up_to?: string | undefined
    force: boolean
  }
  /** What is done to a message is done to this one. */
  on?: ActedOn
}
/** `queued`: replies, and `acts`: what is to be done to messages, of which a worker can be told after the commit. */
export type Applied = {
  conversation: Conversation
  outcomes: ActionOutcome[]
  queued: Message[]
  acts: QueuedAction[]
}
type Step = { conversation: Conversation; changed: boolean; queued?: Message[]; act?: QueuedAction | undefined }

/**
 * Does these actions to a conversation that the caller has locked, one after the other. What is refused changes nothing
 * and is told; the others are done all the same.
 * @throws DomainError `newer_messages` from a reply: what was seen is no longer all there is, for none of the actions
 */
export async function applyActions(
  trx: Trx,
  conversation: Conversation,
  actions: ConversationAction[],
  acting: Acting,
  now: Date,
): Promise<Applied> {
  const applied: Applied = { conversation, outcomes: [], queued: [], acts: [] }
  for (const action of actions) {
    const { type } = action
    try {
      const step = await applyAction(trx, applied.conversation, action, acting, now)
      applied.conversation = step.conversation
      applied.queued.push(...(step.queued ?? []))
      if (step.act) applied.acts.push(step.act)
      applied.outcomes.push({ type, result: step.changed ? 'changed' : 'unchanged' })
    } catch (error) {
      if (!(error instanceof DomainError) || error.code === 'newer_messages') throw error
      applied.outcomes.push({ type, result: 'refused', code: error.code, detail: error.message })
    }
  }
  return applied
}

async function applyAction(
  trx: Trx,
  conversation: Conversation,
  action: ConversationAction,
  acting: Acting,
  now: Date,
): Promise<Step> {
  const change = async (fields: ConversationChange): Promise<Step> => {
    const changed = await applyChange(trx, conversation, fields, acting.actor, now)
    return { conversation: changed, changed: changed !== conversation }
  }
  if (conversation.merged_into_id) throw new ConversationMerged(conversation.merged_into_id)
  switch (action.type) {
    case 'set_status':
      return change({ status: action.status })
    case 'snooze':
      return change({
        status: 'snoozed',
        snoozed_until: action.until ?? new Date(now.getTime() + action.for_seconds! * 1000),
      })
    case 'set_priority':
      return change({ priority: action.priority })
    case 'set_team': {
      const teams = { from: conversation.team_id, to: action.team_id }
      const given = await changeConversationTeam(trx, conversation.id, teams, acting.actor, now)
      return { conversation: given, changed: teams.from !== teams.to }
    }
    case 'assign': {
      const owners = { from: conversation.assignee_id, to: ownerOf(action.assignee_id, acting) }
      const assigned = await assignConversation(trx, conversation.id, owners, acting.actor, now)
      return { conversation: assigned, changed: owners.from !== owners.to }
    }
    case 'add_tag':
      if (!(await knowsTag(trx, action.tag))) throw unknown('tag')
      return { conversation, changed: await tagConversation(trx, conversation.id, action.tag, acting.actor, now) }
    case 'remove_tag':
      return { conversation, changed: await untagConversation(trx, conversation.id, action.tag, acting.actor, now) }
    case 'add_note': {
      const values = await readReplyValues(trx, { conversation_id: conversation.id, user_id: acting.user_id })
      const { body } = renderTemplate(action.body, values)
      if (body.trim() === '') throw new DomainError('validation_failed', 'Nothing stands in the note.')
      await addNote(trx, { conversation_id: conversation.id, author: acting.actor, body }, now)
      return { conversation, changed: true }
    }
    case 'reply': {
      const queued = await reply(trx, conversation, action.saved_reply_id, acting, now)
      return { conversation, changed: true, queued }
    }
    case 'dismiss':
    case 'flag':
    case 'hide':
    case 'like': {
      if (!acting.on) throw new DomainError('action_refused', 'Only a rule does something to the message of an event.')
      const { changed, queued: act } = await actOnMessage(trx, conversation.id, action, acting.on, acting.actor, now)
      // Whoever waited for an answer to what is dismissed may wait no more, and what is flagged may fall due first.
      const after =
        changed && (action.type === 'dismiss' || action.type === 'flag')
          ? (await lockConversation(trx, conversation.id))!
          : conversation
      return { conversation: after, changed, act }
    }
    default:
      return action satisfies never
  }
}

const unknown = (what: string) => new DomainError('not_found', `There is no such ${what}.`)

const knowsTag = async (trx: Trx, name: string) => (await listTagsByKey(trx, [searchKey(name)])).length > 0

function ownerOf(assignee_id: string | null, { user_id }: Acting): string | null {
  if (assignee_id !== 'me') return assignee_id
  if (user_id) return user_id
  throw new DomainError('validation_failed', 'This key acts as no person, so it can own nothing.')
}

/** What a template leaves open is for a person to fill in, so that is not sent. */
async function reply(
  trx: Trx,
  { id: conversation_id }: Conversation,
  saved_reply_id: string,
  { reply: way, user_id }: Acting,
  now: Date,
): Promise<Message[]> {
  if (!way) throw new DomainError('action_refused', 'Only a macro that a person runs can reply.')
  const { body, missing } = await renderSavedReply(trx, saved_reply_id, { conversation_id, user_id })
  if (missing.length > 0) throw new DomainError('reply_refused', `Nothing is known for ${missing.join(', ')}.`)
  const { author, deliveryOf, seen_up_to, force } = way
  return queueReply(trx, { conversation_id, author, body, seen_up_to, force, resolve_after: false }, deliveryOf, now)
}
