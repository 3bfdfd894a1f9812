import { MEMBER_TYPES, REPLY_VARIABLES, type ReplyVariable } from '@parley/domain'
import { z } from 'zod'
import { id, instantOut, language, name, pageQuery, safeText } from './common.ts'

const MAX_TEMPLATE_BYTES = 16 * 1024

/** Typed to find a reply, so without a space. */
const shortcut = safeText(64)
  .refine(text => !/[\s\p{Cc}]/u.test(text), 'must not contain white space')
  .meta({ type: 'string', minLength: 1 })

export const template = safeText(MAX_TEMPLATE_BYTES).meta({
  type: 'string',
  minLength: 1,
  description: 'Liquid: {{ variable }}, the filter default for a fallback, and the tags if, unless and case.',
})

export const savedReplyBody = z.strictObject({
  name,
  shortcut: shortcut.nullable().default(null),
  body: template,
  /** Null: offered in every inbox. */
  inbox_id: id.nullable().default(null),
  language: language.nullable().default(null),
})

export const savedReplyPatch = z.strictObject({
  name: name.optional(),
  shortcut: shortcut.nullable().optional(),
  body: template.optional(),
  inbox_id: id.nullable().optional(),
  language: language.nullable().optional(),
  /** False takes it out of the archive. */
  archived: z.boolean().optional(),
})

export const savedReplyQuery = pageQuery.extend({
  /** Words that stand in the name, the shortcut or the text. */
  q: safeText(200).optional(),
  /** What is offered in that inbox, so also what is offered in all. */
  inbox_id: id.optional(),
  /** Those in the archive instead. */
  archived: z.enum(['true']).optional(),
})

export const savedReplyView = z
  .object({
    id,
    name: z.string(),
    shortcut: z.string().nullable(),
    body: z.string(),
    inbox_id: id.nullable(),
    language: z.string().nullable(),
    archived_at: instantOut.nullable(),
    version: z.int(),
    created_by_type: z.enum(MEMBER_TYPES),
    created_by_id: id,
    created_at: instantOut,
    updated_by_type: z.enum(MEMBER_TYPES),
    updated_by_id: id,
    updated_at: instantOut,
  })
  .meta({ id: 'SavedReply' })

export const renderBody = z.strictObject({
  conversation_id: id,
  /** The message to be answered, whose author is `contact`; the latest one of a customer when absent. */
  in_reply_to: id.optional(),
})

const variable = z.enum(Object.keys(REPLY_VARIABLES) as [ReplyVariable, ...ReplyVariable[]])

/** `missing` should stand in the text and does not: to be filled in by hand before it is sent. */
export const renderedReply = z.object({ body: z.string(), missing: z.array(variable) }).meta({ id: 'RenderedReply' })

export const replyVariables = z.object({ data: z.array(z.object({ name: variable, description: z.string() })) })
