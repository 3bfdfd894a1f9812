import { MEMBER_TYPES, VISIBILITIES } from '@parley/domain'
import { z } from 'zod'
import { id, instantOut, unfinishedText } from './common.ts'
import { MAX_OWN_TEXT_BYTES } from './conversations.ts'

const MAX_ATTACHMENTS = 20

/** Nothing of it has to be ready: what a reply needs is asked for when it is sent. */
export const draftBody = z.strictObject({
  body: unfinishedText(MAX_OWN_TEXT_BYTES),
  /** Null: what an answer gets that asks for nothing. */
  visibility: z.enum(VISIBILITIES).nullable().default(null),
  in_reply_to: id.nullable().default(null),
  attachment_ids: z
    .array(id)
    .max(MAX_ATTACHMENTS)
    .refine(ids => new Set(ids).size === ids.length, 'must not name a file twice')
    .default([]),
})

export const draftView = z
  .object({
    conversation_id: id,
    body: z.string(),
    visibility: z.enum(VISIBILITIES).nullable(),
    in_reply_to: id.nullable(),
    attachment_ids: z.array(id),
    version: z.int(),
    updated_by_type: z.enum(MEMBER_TYPES),
    updated_by_id: id,
    updated_at: instantOut,
  })
  .meta({ id: 'Draft' })
