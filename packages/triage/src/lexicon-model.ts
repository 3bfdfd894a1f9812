import { messageContent, speechOf, TRIAGE_LENGTH, type TriageModel } from '@parley/domain'
import { detectLanguage } from './language.ts'
import { findQuestions } from './question.ts'
import { judgeSentiment } from './sentiment.ts'

/**
 * Judges by words and emoji that are worth something each. It knows nothing of irony, and of what a text is about only
 * what single words tell; docs/triage.md says how often it is right.
 */
export const lexiconModel: TriageModel = {
  name: 'lexicon',
  version: '1',
  assess(written, known) {
    const text = written.slice(0, TRIAGE_LENGTH)
    const speech = speechOf(text)
    const content = messageContent(text, speech)
    const language = content === 'text' ? detectLanguage(speech) : null
    const said = language ?? primaryOf(known.language)
    const question_spans = findQuestions(speech, said)
    const { sentiment, score, spans } = judgeSentiment(speech, said)
    const question = question_spans.length > 0
    return { content, language, question, question_spans, sentiment, score, sentiment_spans: spans }
  },
}

/** The words of Austria are those of German. */
const primaryOf = (language: string | null) => language?.split('-')[0]?.toLowerCase() ?? null
