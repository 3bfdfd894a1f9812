import { AUTHOR_TYPES, EVERY_CONVERSATION_STATUS, MESSAGE_DIRECTIONS } from '@parley/domain'
import { z } from 'zod'
import { id, instantIn, instantOut, pageQuery, safeText } from './common.ts'

const MAX_QUERY_BYTES = 1_000

/** What somebody looks for, in the language of docs/search.md. */
export const searchText = safeText(MAX_QUERY_BYTES)

export const messageSearchQuery = pageQuery.extend({
  q: searchText,
  inbox_id: id.optional(),
  from: instantIn.optional(),
  to: instantIn.optional(),
  sort: z.enum(['newest', 'relevance']).default('newest'),
})

export const contactSearchQuery = pageQuery.extend({ q: searchText })

const snippet = z.object({
  text: z.string(),
  /** In UTF-16 code units, as JavaScript counts: from `start` to before `end`. */
  matches: z.array(z.object({ start: z.int(), end: z.int() })),
})

/** A message or a note that matches. */
export const foundMessageView = z
  .object({
    id,
    direction: z.enum(MESSAGE_DIRECTIONS),
    author_type: z.enum(AUTHOR_TYPES),
    /** The customer who wrote it; null for what we wrote. */
    contact: z.object({ id, name: z.string() }).nullable(),
    occurred_at: instantOut,
    has_attachments: z.boolean(),
    conversation: z.object({
      id,
      number: z.int(),
      subject: z.string().nullable(),
      status: z.enum(EVERY_CONVERSATION_STATUS),
      inbox_id: id,
      channel_id: id,
      assignee_id: id.nullable(),
    }),
    /** A passage of its text as plain text, around the first matches. */
    snippet,
  })
  .meta({ id: 'FoundMessage' })

/** A contact whose name or one of whose handles matches. */
export const foundContactView = z
  .object({
    id,
    name: z.string(),
    identities: z.array(
      z.object({ network: z.string(), handle: z.string().nullable(), display_name: z.string().nullable() }),
    ),
  })
  .meta({ id: 'FoundContact' })
