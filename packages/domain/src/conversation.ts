/**
 * open: needs us · pending: waiting for the customer · snoozed: until a time · resolved · spam.
 */
export const CONVERSATION_STATUSES = ['open', 'pending', 'snoozed', 'resolved', 'spam'] as const
export type ConversationStatus = (typeof CONVERSATION_STATUSES)[number]

export const CONVERSATION_PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const
export type ConversationPriority = (typeof CONVERSATION_PRIORITIES)[number]

/** Whose word the language of a conversation is, the strongest first. */
export const LANGUAGE_SOURCES = ['person', 'contact', 'detected'] as const
export type LanguageSource = (typeof LANGUAGE_SOURCES)[number]

/** urgency: the earliest promise first, then the longest wait · waiting: who waits, longest first. */
export const CONVERSATION_SORTS = ['newest', 'oldest', 'waiting', 'urgency'] as const
export type ConversationSort = (typeof CONVERSATION_SORTS)[number]

/** Whose list it is. */
export const VIEW_SCOPES = ['personal', 'team', 'workspace'] as const
export type ViewScope = (typeof VIEW_SCOPES)[number]

/** A customer's message moves everything but spam to `open`. */
export function statusAfterCustomerMessage(status: ConversationStatus): ConversationStatus {
  return status === 'spam' ? 'spam' : 'open'
}

/**
 * A reply that the network accepted hands the conversation to the customer, unless somebody else in it still waits
 * or a person has already closed it.
 */
export function statusAfterReplySent(
  status: ConversationStatus,
  facts: { resolve_after: boolean; somebody_waits: boolean },
): ConversationStatus {
  if (status !== 'open' && status !== 'pending') return status
  if (facts.somebody_waits) return 'open'
  return facts.resolve_after ? 'resolved' : 'pending'
}
