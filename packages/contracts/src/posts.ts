import { DISPOSITIONS, POST_KINDS, PROPOSED_DISPOSITIONS, SENTIMENTS } from '@parley/domain'
import { z } from 'zod'
import { id, instantOut, language, pageQuery } from './common.ts'

const surge = z
  .object({
    since: z.iso.datetime(),
    until: instantOut.meta({ description: 'It goes on until then, and is over if nothing has moved that since.' }),
    rate_per_minute: z.number(),
    baseline_per_minute: z.number(),
    deviation_per_minute: z.number(),
    factor: z.number().nullable(),
    count: z.int(),
    window_minutes: z.int(),
    baseline_minutes: z.int(),
  })
  .meta({ id: 'Surge', description: 'When the rate of a post left its own baseline, and the numbers that showed it.' })

/** Of the conversations that the caller sees. */
const postCounts = z
  .object({
    open: z.int(),
    unowned: z.int().meta({ description: 'Open, and nobody owns them.' }),
    waiting: z.int().meta({ description: 'Somebody waits in them.' }),
    waiting_since: instantOut.nullable().meta({ description: 'Since when the one who has waited longest waits.' }),
    at_least: z.boolean().meta({ description: 'There are more than was counted.' }),
    messages_last_hour: z.int(),
  })
  .meta({ id: 'PostCounts' })

export const postView = z
  .object({
    id,
    channel_id: id,
    external_id: z.string(),
    kind: z.enum(POST_KINDS).meta({ description: 'own: one of our accounts wrote it; theirs: somebody else did.' }),
    author: z.object({ handle: z.string().nullable(), name: z.string().nullable() }),
    text: z.string().nullable().meta({ description: 'Null while nobody has told, and once it is deleted.' }),
    permalink: z.string().nullable(),
    occurred_at: instantOut.nullable(),
    first_seen_at: instantOut,
    last_message_at: instantOut,
    message_count: z.int().meta({ description: 'How many messages of customers came on it.' }),
    deleted_at: instantOut.nullable(),
    surge: surge.nullable().meta({ description: 'The last one; null when there was none.' }),
    counts: postCounts.optional().meta({ description: 'Of one post, and of a list with include=counts.' }),
  })
  .meta({ id: 'Post' })

export const postQuery = pageQuery.extend({
  channel_id: id.optional(),
  surging: z.enum(['true']).optional(),
  include: z.literal('counts').optional(),
})

export const fingerprint = z
  .string()
  .regex(/^[0-9a-f]{16}$/, 'must be the fingerprint of a group')
  .meta({ description: 'The same for messages that differ only in case, spaces, punctuation and emoji.' })

const orNone = <T extends z.ZodType>(value: T) => z.union([z.literal('none'), value])

/** Of what triage has looked at: `none` is what it could not tell, or did not propose. */
export const postMessageQuery = pageQuery.extend({
  fingerprint: fingerprint.optional(),
  language: orNone(language).optional(),
  question: z.enum(['true', 'false']).optional(),
  sentiment: z.enum(SENTIMENTS).optional(),
  proposed_disposition: orNone(z.enum(PROPOSED_DISPOSITIONS)).optional(),
  disposition: z.enum(DISPOSITIONS).optional(),
})

export const postMessageView = z
  .object({
    message_id: id,
    conversation_id: id,
    contact_id: id.nullable(),
    at: instantOut,
    fingerprint: z.string(),
    body: z.string(),
    language: z.string().nullable(),
    question: z.boolean().nullable().meta({ description: 'Null while triage has not looked at it, or never does.' }),
    sentiment: z.enum(SENTIMENTS).nullable(),
    proposed_disposition: z.enum(PROPOSED_DISPOSITIONS).nullable(),
    disposition: z.enum(DISPOSITIONS).meta({ description: 'What became of it.' }),
  })
  .meta({ id: 'PostMessage' })

const MAX_SEED = 2 ** 31 - 1
export const stormQuery = z.strictObject({
  /** The same number picks the same sample. */
  seed: z
    .string()
    .regex(/^\d{1,10}$/, `must be a whole number up to ${MAX_SEED}`)
    .transform(Number)
    .refine(seed => seed <= MAX_SEED, `must be a whole number up to ${MAX_SEED}`)
    .default(0)
    .meta({ type: 'integer', minimum: 0, maximum: MAX_SEED, default: 0 }),
})

export const stormView = z
  .object({
    looked_at: z.int().meta({ description: 'How many messages this tells of: the newest ones.' }),
    at_least: z.boolean().meta({ description: 'There are more, older ones.' }),
    people: z.int().meta({ description: 'How many wrote them.' }),
    from: instantOut.nullable(),
    until: instantOut.nullable(),
    unit: z.enum(['minute', 'hour', 'day']).meta({ description: 'How long a bucket is.' }),
    buckets: z.array(z.object({ at: instantOut, count: z.int() })).meta({ description: 'Those that have any.' }),
    groups: z
      .array(
        z.object({
          fingerprint,
          count: z.int(),
          people: z.int(),
          newest_at: instantOut,
          messages: z.array(postMessageView).meta({ description: 'The newest of them.' }),
        }),
      )
      .meta({ description: 'Messages that say the same, the most frequent first.' }),
    triage: z
      .object({
        judged: z.int().meta({ description: 'So many of them triage has looked at; the rest is of these.' }),
        languages: z.array(z.object({ language: z.string().nullable(), count: z.int() })).meta({
          description: 'The most frequent first; null: it could not be told.',
        }),
        questions: z.int(),
        sentiments: z.object({ complaint: z.int(), praise: z.int(), neutral: z.int() }),
        proposed_dispositions: z.object({ acknowledged: z.int(), no_reply_needed: z.int(), none: z.int() }),
      })
      .meta({ id: 'StormTriage' }),
    sample: z
      .array(postMessageView)
      .meta({ description: 'One of each of twenty slices of the same size, in the order of time.' }),
  })
  .meta({ id: 'Storm' })
