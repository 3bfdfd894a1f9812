import {
  CONVERSATION_PRIORITIES,
  MESSAGE_CONTENTS,
  PROPOSED_DISPOSITIONS,
  SENTIMENTS,
  TRIAGE_CODES,
  TRIAGE_CORRECTIONS,
} from '@parley/domain'
import { z } from 'zod'
import { id, instantOut, language, pageQuery } from './common.ts'

/** What a message is about, as far as words tell, and what is proposed because of it. Nothing follows by itself. */
export const triageView = z
  .object({
    message_id: id,
    content: z.enum(MESSAGE_CONTENTS).meta({
      description:
        'text; mention_only: nothing but handles, hashtags and links; emoji_only: nothing but emoji beside those.',
    }),
    language: z.string().nullable().meta({ description: 'As BCP 47; null where the text is too short or mixed.' }),
    question: z.boolean(),
    sentiment: z.enum(SENTIMENTS),
    score: z.number().meta({ description: 'From -1, nothing but complaint, to 1, nothing but praise.' }),
    repeat_contact: z.object({ unanswered_24h: z.int(), unanswered_7d: z.int(), conversations_7d: z.int() }).meta({
      description:
        'How often its author had written by then: messages that nobody had answered, with this one, and conversations.',
    }),
    rank: z.int().meta({ description: 'From 0, has time, to 100, comes first. 50 is usual.' }),
    proposed_priority: z.enum(CONVERSATION_PRIORITIES),
    proposed_disposition: z.enum(PROPOSED_DISPOSITIONS).nullable().meta({
      description: 'acknowledged: a like will do; no_reply_needed; null: somebody should answer.',
    }),
    reasons: z.array(
      z.object({
        code: z.enum(TRIAGE_CODES),
        points: z.int().meta({ description: 'How it moves the rank.' }),
        words: z.array(z.string()).meta({
          description: 'Of the message. Empty where a person judged it, and where the message has been edited since.',
        }),
        text: z.string(),
      }),
    ),
    explanation: z.string().meta({ description: 'The reasons in one sentence; empty where there are none.' }),
    corrected: z.array(z.enum(TRIAGE_CORRECTIONS)).meta({ description: 'What a person has said.' }),
    model: z.string(),
    model_version: z.string(),
    triaged_at: instantOut,
  })
  .meta({ id: 'Triage' })

export const triageCorrection = z
  .strictObject({
    sentiment: z.enum(SENTIMENTS).optional(),
    question: z.boolean().optional(),
    language: language.nullable().optional(),
  })
  .refine(given => Object.keys(given).length > 0, 'must say something')

/** A page of a thread; with include=triage what each of its messages is about. */
export const messagesQuery = pageQuery.extend({ include: z.literal('triage').optional() })
