import type { ConversationPriority } from '../conversation.ts'
import type { Assessment, Span } from './assessment.ts'

/** What is proposed to become of a message that is not answered: a like, or nothing. */
export const PROPOSED_DISPOSITIONS = ['acknowledged', 'no_reply_needed'] as const
export type ProposedDisposition = (typeof PROPOSED_DISPOSITIONS)[number]

/** What a person can say of a message. */
export const TRIAGE_CORRECTIONS = ['sentiment', 'question', 'language'] as const
export type TriageCorrected = (typeof TRIAGE_CORRECTIONS)[number]

/** How often a person has written lately. `unanswered`: of those messages nobody has answered, with this one. */
export type RepeatContact = {
  unanswered_24h: number
  unanswered_7d: number
  /** Conversations in which they wrote within 7 days. */
  conversations_7d: number
}

export const TRIAGE_CODES = ['complaint', 'praise', 'question', 'repeat_contact', 'emoji_only', 'mention_only'] as const
export type TriageCode = (typeof TRIAGE_CODES)[number]

/** Why something is proposed: how it moves the rank, and where in the text the words stand. Never the words themselves. */
export type TriageReason = { code: TriageCode; points: number; spans: Span[] }

export type Proposal = {
  /** From 0, has time, to 100, comes first. */
  rank: number
  proposed_priority: ConversationPriority
  /** Null: somebody should answer. */
  proposed_disposition: ProposedDisposition | null
  reasons: TriageReason[]
}

const USUAL_RANK = 50
const POINTS = { complaint: 20, praise: -20, question: 10, emoji_only: -20, mention_only: -40 }
const POINTS_OF_REPEAT = 10
const MOST_POINTS_OF_REPEATS = 30
/** The least rank of each priority. */
const PRIORITIES: [number, ConversationPriority][] = [
  [85, 'urgent'],
  [65, 'high'],
  [35, 'normal'],
]

/**
 * Proposes an order and what to do, and says why. Nothing follows from it by itself.
 * @param circumstances `public`: anybody can read the message; `has_attachments`: it says more than its text
 */
export function proposeTriage(
  assessment: Assessment,
  repeat: RepeatContact,
  circumstances: { public: boolean; has_attachments: boolean },
): Proposal {
  const reasons = reasonsFor(assessment, repeat)
  const sum = reasons.reduce((points, reason) => points + reason.points, USUAL_RANK)
  const rank = Math.min(100, Math.max(0, sum))
  return {
    rank,
    proposed_priority: PRIORITIES.find(([least]) => rank >= least)?.[1] ?? 'low',
    proposed_disposition: circumstances.has_attachments ? null : dispositionFor(assessment, circumstances),
    reasons,
  }
}

function reasonsFor({ content, question, sentiment, ...spans }: Assessment, repeat: RepeatContact): TriageReason[] {
  const reasons: TriageReason[] = []
  if (sentiment !== 'neutral')
    reasons.push({ code: sentiment, points: POINTS[sentiment], spans: spans.sentiment_spans })
  if (question) reasons.push({ code: 'question', points: POINTS.question, spans: spans.question_spans })
  const points = repeatPoints(repeat)
  if (points > 0) reasons.push({ code: 'repeat_contact', points, spans: [] })
  if (content !== 'text') reasons.push({ code: content, points: POINTS[content], spans: [] })
  return reasons
}

/** For each message beyond the first that waits, and each conversation beyond the first. */
function repeatPoints({ unanswered_7d, conversations_7d }: RepeatContact): number {
  // Whoever has been answered everything does not come again because of it.
  if (unanswered_7d === 0) return 0
  const again = unanswered_7d - 1 + Math.max(0, conversations_7d - 1)
  return Math.min(MOST_POINTS_OF_REPEATS, again * POINTS_OF_REPEAT)
}

function dispositionFor(
  { content, question, sentiment }: Assessment,
  circumstances: { public: boolean },
): ProposedDisposition | null {
  if (sentiment === 'complaint' || question) return null
  if (sentiment === 'praise' || content === 'emoji_only') return 'acknowledged'
  // Whoever sends nothing but a link in private means something by it.
  return content === 'mention_only' && circumstances.public ? 'no_reply_needed' : null
}
