import { type AnswerPlace, lockAnswers, replaceAnswer } from '@parley/db'
import { answerContext } from '../answer-context.ts'
import { seal, unseal } from '../seal.ts'
import type { StepWork } from './steps.ts'
import { ERASED, mapTexts, someText } from './traces.ts'

const BATCH = 200
/** What stands in answers about messages and conversations that people wrote. */
const WRITTEN = [
  'body',
  'body_html',
  'body_quoted',
  'dismissed_reason',
  'flagged_reason',
  'subject',
  'name',
  'permalink',
  'external_id',
]

/**
 * Takes them out of answers that are kept for repeated requests. An answer that names one of their contacts loses every
 * written text; others lose their names.
 */
export const eraseAnswers: StepWork = async (trx, { erasure, everybody, traces, workspace_id }, { secretKey }) => {
  const answers = await lockAnswers(trx, erasure.position as AnswerPlace | null, BATCH)
  let count = 0
  for (const { body, ...place } of answers) {
    const context = answerContext(workspace_id, place)
    const answer = unseal(secretKey, context, Buffer.from(body, 'base64')) as string
    const value: unknown = JSON.parse(answer)
    const theirs = someText(value, text => everybody.includes(text))
    const redacted = JSON.stringify(
      mapTexts(value, (text, key = '', within) => {
        const written = WRITTEN.includes(key) || within === 'attributes'
        return (theirs && written) || traces.isIn(text) ? ERASED : text
      }),
    )
    if (redacted === JSON.stringify(value)) continue
    await replaceAnswer(trx, place, seal(secretKey, context, redacted).toString('base64'))
    count += 1
  }
  const last = answers.at(-1)
  if (answers.length < BATCH || !last) return { position: null, counts: { answers: count } }
  const { credential_id, route, key } = last
  return { position: { credential_id, route, key }, counts: { answers: count } }
}
