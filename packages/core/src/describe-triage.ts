import type { TriageWithText } from '@parley/db'
import { explainReason, wordsAt } from '@parley/domain'

/** What is made of a message as a person reads it: the words are taken from the message, as long as it has them. */
export function describeTriage(row: TriageWithText) {
  const { text, reasons, unanswered_24h, unanswered_7d, conversations_7d, ...rest } = row
  const repeat_contact = { unanswered_24h, unanswered_7d, conversations_7d }
  const told = reasons.map(reason => {
    const words = text === null ? [] : wordsAt(text, reason.spans)
    return { code: reason.code, points: reason.points, words, text: explainReason(reason, words, repeat_contact) }
  })
  return { ...rest, repeat_contact, reasons: told, explanation: told.map(({ text }) => text).join('; ') }
}
