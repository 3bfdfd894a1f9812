import { z } from 'zod'
import { id, instantOut, name, safeText } from './common.ts'
import { MAX_OWN_TEXT_BYTES } from './conversations.ts'
import { linkToken } from './sessions.ts'

const DAY_SECONDS = 24 * 3600

export const expertLinkParams = z.strictObject({ id, link_id: id })

export const expertLinkBody = z.strictObject({
  /** Whom it is for. */
  name,
  question: safeText(10_000),
  expires_in_seconds: z
    .int()
    .min(60)
    .max(14 * DAY_SECONDS)
    .default(3 * DAY_SECONDS),
  /** What is shown with it: customers' messages and sent replies; the last twenty when absent. */
  message_ids: z.array(id).max(50).optional(),
})

export const expertLinkView = z
  .object({
    id,
    conversation_id: id,
    name: z.string(),
    question: z.string(),
    message_ids: z.array(id),
    state: z.enum(['open', 'answered', 'revoked', 'expired']),
    created_by: z.object({ type: z.string(), id }),
    created_at: instantOut,
    expires_at: instantOut,
    revoked_at: instantOut.nullable(),
    answered_at: instantOut.nullable(),
    /** The note that answers it. */
    message_id: id.nullable(),
  })
  .meta({ id: 'ExpertLink' })

/** `token` is shown here and never again. */
export const expertLinkCreatedView = expertLinkView.extend({ token: z.string() }).meta({ id: 'ExpertLinkCreated' })

export const expertLinkReadBody = z.strictObject({ token: linkToken })
export const expertQuestionView = z
  .object({
    question: z.string(),
    subject: z.string().nullable(),
    messages: z.array(
      z.object({
        author: z.string().meta({
          description: '`us`, or what the customer calls themselves in public; `customer` where that is not known.',
        }),
        body: z.string(),
        occurred_at: instantOut,
      }),
    ),
  })
  .meta({ id: 'ExpertQuestion' })

export const expertAnswerBody = z.strictObject({ token: linkToken, body: safeText(MAX_OWN_TEXT_BYTES) })
