import type { MessageToTriage, NewEvent, Triage, TriageRow } from '@parley/db'
import {
  type Actor,
  type Assessment,
  proposeTriage,
  type RepeatContact,
  type TriageCorrected,
  type TriageModel,
} from '@parley/domain'

export type Judged = { message: MessageToTriage; assessment: Assessment }

/** What is kept of a judgement. What a person said of the message before goes before what the model says. */
export function rowOf(
  { message, assessment }: Judged,
  repeat: RepeatContact,
  model: TriageModel,
  now: Date,
): TriageRow {
  const { id, contact_id, occurred_at, version_at, visibility, has_attachments, known } = message
  const corrected = known?.corrected ?? []
  const said = known ? withCorrections(assessment, known, corrected) : assessment
  const proposal = proposeTriage(said, repeat, { public: visibility === 'public', has_attachments })
  const { content, language, question, sentiment, score } = said
  return {
    message_id: id,
    contact_id,
    occurred_at,
    version_at,
    ...{ content, language, question, sentiment, score },
    unanswered_24h: repeat.unanswered_24h,
    unanswered_7d: repeat.unanswered_7d,
    conversations_7d: repeat.conversations_7d,
    ...proposal,
    corrected,
    model: model.name,
    model_version: model.version,
    triaged_at: now,
  }
}

/** A person points at no words. */
export function withCorrections(
  assessment: Assessment,
  said: Partial<Pick<Triage, 'language' | 'question' | 'sentiment'>>,
  corrected: TriageCorrected[],
): Assessment {
  const of = (field: TriageCorrected, value: unknown) => corrected.includes(field) && value !== undefined
  return {
    ...assessment,
    ...(of('language', said.language) ? { language: said.language! } : {}),
    ...(of('question', said.question) ? { question: said.question!, question_spans: [] } : {}),
    ...(of('sentiment', said.sentiment) ? { sentiment: said.sentiment!, sentiment_spans: [] } : {}),
  }
}

/** Results and codes, no words: the log only grows. */
export function triagedEvent(row: TriageRow, conversation_id: string, actor: Actor, now: Date): NewEvent {
  const { contact_id: _, occurred_at: __, triaged_at: ___, reasons, ...results } = row
  const codes = reasons.map(({ code }) => code)
  return { type: 'message.triaged', at: now, actor, conversation_id, data: { ...results, reasons: codes } }
}
