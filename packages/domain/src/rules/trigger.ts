/** The events of a conversation that rules can wait for. */
export const RULE_TRIGGERS = [
  'conversation.created',
  'conversation.updated',
  'conversation.assigned',
  'conversation.unassigned',
  'conversation.resolved',
  'conversation.reopened',
  'conversation.tagged',
  'conversation.untagged',
  'message.received',
  'message.updated',
  'message.triaged',
  'reply.sent',
  'reply.rejected',
  'sla.warned',
  'sla.breached',
] as const
export type RuleTrigger = (typeof RULE_TRIGGERS)[number]

/** What a rule changes can set off other rules, so often one behind the other; never the same rule again. */
export const MAX_RULE_DEPTH = 3
/** How often rules may be applied to one conversation within a minute. */
export const MAX_APPLIED_PER_MINUTE = 20
