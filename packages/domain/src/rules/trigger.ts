/** The events that rules can wait for: of a conversation, or of the post that conversations are on. */
export const RULE_TRIGGERS = [
  'conversation.created',
  'conversation.updated',
  'conversation.assigned',
  'conversation.unassigned',
  'conversation.resolved',
  'conversation.snoozed',
  'conversation.reopened',
  'conversation.tagged',
  'conversation.untagged',
  'message.received',
  'message.updated',
  'message.triaged',
  'message.disposition_changed',
  'message.flagged',
  'reply.sent',
  'reply.rejected',
  'reply.unknown',
  'reply.bounced',
  'action.rejected',
  'sla.warned',
  'sla.breached',
  'post.surging',
] as const
export type RuleTrigger = (typeof RULE_TRIGGERS)[number]

/** What a rule changes can set off other rules, so often one behind the other; never the same rule again. */
export const MAX_RULE_DEPTH = 3
/** How often rules may be applied to one conversation within a minute. */
export const MAX_APPLIED_PER_MINUTE = 20
