import type { ReportableMessage, ReportFact } from '@parley/db'
import { similarText } from '@parley/domain'
import { fingerprintOf } from '../follow-posts.ts'
import type { ReportCredit } from './read-events.ts'

/** What only some of what is counted has. */
export const NOTHING_ELSE = {
  team_id: null,
  user_id: null,
  outcome: '',
  reason: '',
  answer_id: null,
  answered_at: null,
  wait_ms: null,
  network_lag_ms: null,
  ingest_lag_ms: null,
  turns: null,
  fingerprint: null,
}

/** What is counted of a customer's message. @param answerer who is given the credit for the answer to it */
export function messageFact(message: ReportableMessage, answerer: ReportCredit): ReportFact {
  const { occurred_at, received_at, processed_at, answered_by_id, answered_at, waited_since } = message
  const waited = waited_since && answered_at ? between(waited_since, answered_at) : null
  return {
    ...NOTHING_ELSE,
    ...placeOf(message),
    kind: 'message',
    ...outcomeOf(message),
    answer_id: answered_by_id,
    answered_at,
    wait_ms: waited,
    ...(waited === null ? {} : answerer),
    network_lag_ms: between(occurred_at, received_at),
    ingest_lag_ms: between(received_at, processed_at),
  }
}

/**
 * What is counted of a reply that its network took. The credit is theirs who owned the conversation, and the author's
 * where nobody did; of what was written in the network's own app, nobody knows the author.
 */
export function replyFact(message: ReportableMessage, credit: ReportCredit): ReportFact {
  const { author_type, author_id, body } = message
  const by_native = author_type === 'native'
  return {
    ...NOTHING_ELSE,
    ...placeOf(message),
    kind: 'reply',
    outcome: author_type === 'user' ? 'person' : by_native ? 'native' : 'program',
    team_id: credit.team_id,
    user_id: by_native ? null : (credit.user_id ?? (author_type === 'user' ? author_id : null)),
    // Replies of nothing but pictures and marks are not alike.
    fingerprint: body === null || similarText(body) === '' ? null : fingerprintOf(body),
  }
}

function placeOf({ id, occurred_at, conversation_id, inbox_id, channel_id, post_id, tag_ids }: ReportableMessage) {
  return { id, at: occurred_at, conversation_id, inbox_id, channel_id, post_id, tag_ids }
}

/** The dispositions; of what nobody ever had to answer, why. */
function outcomeOf(message: ReportableMessage): Pick<ReportFact, 'outcome' | 'reason'> {
  const { disposition, dismissed_as, dismissed_reason, deleted_at, automatic } = message
  if (disposition !== 'no_reply_needed') return { outcome: disposition ?? 'unhandled', reason: '' }
  if (dismissed_as) return { outcome: 'no_reply_needed', reason: dismissed_reason ?? '' }
  if (deleted_at) return { outcome: 'deleted', reason: '' }
  return { outcome: automatic ? 'automatic' : 'no_reply_needed', reason: '' }
}

const between = (from: Date, until: Date) => Math.max(0, until.getTime() - from.getTime())
