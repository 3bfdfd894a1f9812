/**
 * open: needs us · pending: waiting for the customer · snoozed: until a time · resolved · spam.
 */
export const CONVERSATION_STATUSES = ['open', 'pending', 'snoozed', 'resolved', 'spam'] as const
export type ConversationStatus = (typeof CONVERSATION_STATUSES)[number]

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
