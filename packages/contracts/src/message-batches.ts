import {
  ACTION_VERBS,
  BATCH_ACTIONS,
  BATCH_STATES,
  DISMISSALS,
  ITEM_RESULTS,
  MEMBER_TYPES,
  SEND_STATES,
} from '@parley/domain'
import { z } from 'zod'
import { id, instantIn, instantOut, pageQuery } from './common.ts'
import { dismissalReason } from './message-actions.ts'
import { fingerprint } from './posts.ts'

const MAX_NAMED = 500

/** The same for many messages: those that are named, or those of customers in a conversation or on a post. */
export const batchBody = z
  .strictObject({
    action: z.enum(BATCH_ACTIONS),
    reason: dismissalReason.optional().meta({ description: 'Why they need no answer: with dismiss, and only there.' }),
    as: z
      .enum(DISMISSALS)
      .optional()
      .meta({ description: 'What they are then, with dismiss: no_reply_needed if absent.' }),
    message_ids: z
      .array(id)
      .min(1)
      .max(MAX_NAMED)
      .refine(ids => new Set(ids).size === ids.length, 'names one twice')
      .optional(),
    conversation_id: id.optional(),
    post_id: id.optional(),
    fingerprint: fingerprint.optional(),
    up_to: z
      .union([id, instantIn])
      .optional()
      .meta({
        description:
          'The last message that was seen, or when that was: what came in here later is left out of a selection. ' +
          'Without it the moment of the request counts.',
      }),
  })
  .refine(({ action, reason }) => (action === 'dismiss') === (reason !== undefined), {
    message: 'comes with dismiss, and only there',
    path: ['reason'],
  })
  .refine(({ action, as }) => action === 'dismiss' || as === undefined, { message: 'comes with dismiss', path: ['as'] })
  .refine(
    ({ message_ids, conversation_id, post_id }) =>
      [message_ids, conversation_id, post_id].filter(given => given !== undefined).length === 1,
    'takes one of message_ids, conversation_id and post_id',
  )
  .refine(({ post_id, fingerprint }) => fingerprint === undefined || post_id !== undefined, {
    message: 'is of a post',
    path: ['fingerprint'],
  })
  .refine(({ message_ids, up_to }) => up_to === undefined || message_ids === undefined, {
    message: 'is of a selection: messages that are named have been seen',
    path: ['up_to'],
  })
  .refine(({ action, message_ids }) => action !== 'delete' || message_ids !== undefined, {
    message: 'takes message_ids with delete: a selection is of what customers wrote',
    path: ['message_ids'],
  })

const count = z.int()

export const messageBatchView = z
  .object({
    id,
    action: z.enum(BATCH_ACTIONS),
    reason: z.string().nullable(),
    dismissed_as: z.enum(DISMISSALS).nullable(),
    selection: z
      .object({
        conversation_id: id.optional(),
        post_id: id.optional(),
        fingerprint: fingerprint.optional(),
        up_to: z.string().optional(),
      })
      .nullable()
      .meta({ description: 'Null where messages were named, or are those of the batch that is taken back.' }),
    state: z.enum(BATCH_STATES),
    total: count.meta({ description: 'How many messages it is of.' }),
    more: z.boolean().meta({ description: 'The selection had more than one batch takes: the same again takes those.' }),
    counts: z.object({ pending: count, done: count, unchanged: count, refused: count }),
    network: z
      .partialRecord(z.enum(SEND_STATES), count)
      .optional()
      .meta({ description: 'How many of the actions that it queued stand how; of one batch, not in lists.' }),
    created_by: z.object({ type: z.enum(MEMBER_TYPES), id }),
    created_at: instantOut,
    finished_at: instantOut.nullable(),
    undoes: id.nullable().meta({ description: 'The batch that this one takes back.' }),
    undone_by: id.nullable().meta({ description: 'The batch that takes this one back.' }),
  })
  .meta({ id: 'MessageBatch' })

export const batchItemQuery = pageQuery
  .extend({ result: z.enum(ITEM_RESULTS).optional(), action_state: z.enum(SEND_STATES).optional() })
  .refine(({ result, action_state }) => result === undefined || action_state === undefined, {
    message: 'takes either result or action_state',
  })

export const batchItemView = z
  .object({
    message_id: id,
    conversation_id: id.nullable(),
    result: z.enum(ITEM_RESULTS),
    code: z.string().nullable().meta({ description: 'Why it was refused, as the code of a problem.' }),
    detail: z.string().nullable(),
    at: instantOut.nullable(),
    action: z
      .object({
        id,
        verb: z.enum(ACTION_VERBS),
        state: z.enum(SEND_STATES),
        state_reason: z.string().nullable(),
        done_at: instantOut.nullable(),
      })
      .nullable()
      .meta({ description: 'What was queued for the network, or taken back before it went out, as it stands now.' }),
  })
  .meta({ id: 'MessageBatchItem' })
