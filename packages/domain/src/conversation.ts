/**
 * open: needs us · pending: waiting for the customer · snoozed: until a time · resolved · spam.
 */
export const CONVERSATION_STATUSES = ['open', 'pending', 'snoozed', 'resolved', 'spam'] as const
/** merged: a pointer to another conversation, in no list; nobody chooses it. */
export const EVERY_CONVERSATION_STATUS = [...CONVERSATION_STATUSES, 'merged'] as const
export type ConversationStatus = (typeof EVERY_CONVERSATION_STATUS)[number]

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

/** A customer's message moves everything but spam to `open`; a pointer gets none. */
export function statusAfterCustomerMessage(status: ConversationStatus): ConversationStatus {
  return status === 'spam' || status === 'merged' ? status : 'open'
}

/**
 * Whether what a customer said begins a new conversation, because the one of its thread was resolved too long before.
 * @param said_at in clock time, so that it makes no difference when it reaches us
 * @param window_seconds null: it is always opened again
 */
export function beginsAnew(
  { status, resolved_at }: { status: ConversationStatus; resolved_at: Date | null },
  said_at: Date,
  window_seconds: number | null,
): boolean {
  if (status !== 'resolved' || !resolved_at || window_seconds === null) return false
  return said_at.getTime() > resolved_at.getTime() + window_seconds * 1000
}

/** A conversation that others were moved into: open while somebody waits in it, unless it is spam. */
export function statusAfterMerge(status: ConversationStatus, somebody_waits: boolean): ConversationStatus {
  return somebody_waits && status !== 'spam' ? 'open' : status
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
