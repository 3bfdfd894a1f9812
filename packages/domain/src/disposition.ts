import type { MessageDirection } from './message.ts'

/**
 * What became of a customer's message. unhandled: nothing yet · answered: by a person, and the network took it ·
 * acknowledged: liked, which answers nobody · no_reply_needed: said so by somebody, or nobody ever had to answer it ·
 * hidden: on its network · spam.
 */
export const DISPOSITIONS = ['unhandled', 'answered', 'acknowledged', 'no_reply_needed', 'hidden', 'spam'] as const
export type Disposition = (typeof DISPOSITIONS)[number]

/** What somebody can say of a message that they dismiss. */
export const DISMISSALS = ['no_reply_needed', 'spam'] as const
export type Dismissal = (typeof DISMISSALS)[number]

/** What a message's disposition follows from. */
export type DispositionFacts = {
  direction: MessageDirection
  answered_at: Date | null
  /** Since when its conversation is spam. */
  spam_at: Date | null
  dismissed_as: Dismissal | null
  hidden_at: Date | null
  liked_at: Date | null
  deleted_at: Date | null
  automatic: boolean
  from_history: boolean
}

/**
 * What became of a message; null of what is no customer's. What reached the customer counts before what was done about
 * them, and both before what was merely said here. The column `messages.disposition` is the same.
 */
export function dispositionOf(message: DispositionFacts): Disposition | null {
  if (message.direction !== 'inbound') return null
  if (message.answered_at) return 'answered'
  if (message.spam_at || message.dismissed_as === 'spam') return 'spam'
  if (message.hidden_at) return 'hidden'
  if (message.liked_at) return 'acknowledged'
  const needless = message.dismissed_as || message.deleted_at || message.automatic || message.from_history
  return needless ? 'no_reply_needed' : 'unhandled'
}

/** True while the customer waits for an answer to it. A like is none, and makes nothing wait that nobody had to answer. */
export function awaitsAnswer(message: DispositionFacts): boolean {
  return dispositionOf({ ...message, liked_at: null }) === 'unhandled'
}
