import type { ConversationPriority, ConversationStatus } from '../conversation.ts'
import type { Dismissal } from '../disposition.ts'

/** What can be done to a conversation: by hand to many, by a macro, or by a rule. */
export type ConversationAction =
  | { type: 'set_status'; status: Exclude<ConversationStatus, 'snoozed'> }
  | { type: 'snooze'; until?: Date | undefined; for_seconds?: number | undefined }
  | { type: 'set_priority'; priority: ConversationPriority }
  /** `me`: who does it. Null: nobody. */
  | { type: 'assign'; assignee_id: string | null }
  | { type: 'set_team'; team_id: string | null }
  | { type: 'add_tag'; tag: string }
  | { type: 'remove_tag'; tag: string }
  /** A template, as saved replies are. */
  | { type: 'add_note'; body: string }
  | { type: 'reply'; saved_reply_id: string }
  /** To the message that an event is about: a rule's. */
  | { type: 'dismiss'; reason: string; as: Dismissal }
  | { type: 'flag'; reason: string }
  | { type: 'hide' }
  | { type: 'like' }

/** What became of one action. Refused: nothing of it was done, and `code` says why, as the code of a problem does. */
export type ActionOutcome = {
  type: ConversationAction['type']
  result: 'changed' | 'unchanged' | 'refused'
  code?: string
  detail?: string
}

/** All actions together. `partly`: some were refused, others changed something. */
export type TotalOutcome = 'changed' | 'unchanged' | 'partly' | 'refused'

export function totalOutcome(outcomes: ActionOutcome[]): TotalOutcome {
  const some = (result: ActionOutcome['result']) => outcomes.some(outcome => outcome.result === result)
  if (some('refused')) return some('changed') ? 'partly' : 'refused'
  return some('changed') ? 'changed' : 'unchanged'
}
