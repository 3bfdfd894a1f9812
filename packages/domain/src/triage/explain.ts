import type { Span } from './assessment.ts'
import type { RepeatContact, TriageReason } from './proposal.ts'

/** The words of a message to which a reason points. What the text does not have any more is left out. */
export const wordsAt = (text: string, spans: readonly Span[]): string[] =>
  spans.map(([at, length]) => text.slice(at, at + length)).filter(word => word.trim() !== '')

/**
 * Says in a sentence why something is proposed.
 * @param words to which the reason points; none where the text has changed since, or a person judged it
 */
export function explainReason({ code }: TriageReason, words: string[], repeat: RepeatContact): string {
  const because = words.length > 0 ? `: ${words.map(word => `"${word}"`).join(', ')}` : ''
  switch (code) {
    case 'complaint':
      return `Complaint${because}`
    case 'praise':
      return `Praise${because}`
    case 'question':
      return `Asks a question${because}`
    case 'repeat_contact':
      return explainRepeat(repeat)
    case 'emoji_only':
      return 'Nothing but emoji'
    case 'mention_only':
      return 'Nothing but handles, hashtags or links'
    default:
      return code satisfies never
  }
}

function explainRepeat({ unanswered_24h, unanswered_7d, conversations_7d }: RepeatContact): string {
  const [count, time] = unanswered_24h > 1 ? [unanswered_24h, '24 hours'] : [unanswered_7d, '7 days']
  const said = count > 1 ? [`${count} messages in ${time} without an answer`] : []
  if (conversations_7d > 1) said.push(`${conversations_7d} conversations in 7 days`)
  return `Writes again: ${said.join(', ')}`
}
