import { appendEvents, findMessage, lockTriage, putTriage, type Trx } from '@parley/db'
import {
  type Actor,
  type Assessment,
  NotFound,
  proposeTriage,
  type Sentiment,
  TRIAGE_CORRECTIONS,
} from '@parley/domain'
import { followLanguages } from './follow-languages.ts'
import { triagedEvent, withCorrections } from './triage-row.ts'

export type TriageCorrection = {
  sentiment?: Sentiment | undefined
  question?: boolean | undefined
  language?: string | null | undefined
}

/**
 * Sets right what was made of a message. No model says otherwise later; what is proposed follows from it. Saying what a
 * person said before changes nothing.
 * @throws NotFound
 */
export async function correctTriage(
  trx: Trx,
  message_id: string,
  correction: TriageCorrection,
  actor: Actor,
  now: Date,
): Promise<void> {
  // Before its conversation, as the consumer of the log does.
  const row = await lockTriage(trx, message_id)
  const message = row && (await findMessage(trx, message_id))
  if (!row || !message) throw new NotFound('triage')
  const corrected = TRIAGE_CORRECTIONS.filter(field => row.corrected.includes(field) || correction[field] !== undefined)
  const same = corrected.every(field => correction[field] === undefined || correction[field] === row[field])
  if (same && corrected.length === row.corrected.length) return
  const spansOf = (...codes: string[]) => row.reasons.find(({ code }) => codes.includes(code))?.spans ?? []
  const before: Assessment = {
    ...row,
    question_spans: spansOf('question'),
    sentiment_spans: spansOf('complaint', 'praise'),
  }
  const said = withCorrections(before, correction, corrected)
  const circumstances = { public: message.visibility === 'public', has_attachments: message.has_attachments }
  const { language, question, sentiment } = said
  const { workspace_id: _, ...rest } = row
  const changed = { ...rest, language, question, sentiment, ...proposeTriage(said, row, circumstances), corrected }
  await putTriage(trx, [changed])
  await appendEvents(trx, [triagedEvent(changed, message.conversation_id, actor, now)])
  await followLanguages(trx, [message.conversation_id], now)
}
