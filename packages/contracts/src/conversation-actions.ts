import { CONVERSATION_PRIORITIES, DISMISSALS } from '@parley/domain'
import { z } from 'zod'
import { id, instantIn, instantOut, pageQuery } from './common.ts'
import { tagName } from './conversation-list.ts'
import { dismissalReason, flagReason } from './message-actions.ts'
import { template } from './saved-replies.ts'

const MAX_ACTIONS = 20
const MAX_BULK = 500
const LONGEST_SNOOZE_SECONDS = 366 * 24 * 3600

const common = [
  z.strictObject({ type: z.literal('set_status'), status: z.enum(['open', 'pending', 'resolved', 'spam']) }),
  z.strictObject({ type: z.literal('set_priority'), priority: z.enum(CONVERSATION_PRIORITIES) }),
  z.strictObject({ type: z.literal('set_team'), team_id: id.nullable() }),
  z.strictObject({ type: z.literal('add_tag'), tag: tagName }),
  z.strictObject({ type: z.literal('remove_tag'), tag: tagName }),
  z.strictObject({ type: z.literal('add_note'), body: template }),
] as const
const snoozeFor = z.strictObject({
  type: z.literal('snooze'),
  for_seconds: z.int().min(1).max(LONGEST_SNOOZE_SECONDS),
})
const snooze = z
  .strictObject({
    type: z.literal('snooze'),
    until: instantIn.optional(),
    for_seconds: snoozeFor.shape.for_seconds.optional(),
  })
  .refine(({ until, for_seconds }) => (until === undefined) !== (for_seconds === undefined), {
    message: 'takes either until or for_seconds',
  })
const assign = z.strictObject({
  type: z.literal('assign'),
  /** `me`: who does it. Null: nobody. */
  assignee_id: z.union([z.literal('me'), id]).nullable(),
})
const reply = z.strictObject({ type: z.literal('reply'), saved_reply_id: id })

const many = <T extends z.ZodType>(action: T) => z.array(action).min(1).max(MAX_ACTIONS)
/** What people do to many conversations at once. */
export const bulkActions = many(z.discriminatedUnion('type', [...common, snooze, assign]))
/** What people keep to do again: also an answer. Snoozes last a while from then on. */
export const macroActions = many(z.discriminatedUnion('type', [...common, snoozeFor, assign, reply])).refine(
  actions => actions.filter(({ type }) => type === 'reply').length <= 1,
  'has more than one reply',
)
/** To the message that the event is about. */
const onMessage = [
  z.strictObject({
    type: z.literal('dismiss'),
    reason: dismissalReason,
    as: z.enum(DISMISSALS).default('no_reply_needed'),
  }),
  z.strictObject({ type: z.literal('flag'), reason: flagReason }),
  z.strictObject({ type: z.literal('hide') }),
  z.strictObject({ type: z.literal('like') }),
] as const
/** What happens by itself. It answers nobody, and there is no `me`. */
export const ruleActions = many(
  z.discriminatedUnion('type', [
    ...common,
    ...onMessage,
    snoozeFor,
    z.strictObject({ type: z.literal('assign'), assignee_id: id.nullable() }),
  ]),
)

export const actionOutcome = z
  .object({
    type: z.string(),
    result: z.enum(['changed', 'unchanged', 'refused']),
    code: z.string().optional(),
    detail: z.string().optional(),
  })
  .meta({ id: 'ActionOutcome' })

export const bulkBody = z
  .strictObject({
    ids: z
      .array(id)
      .min(1)
      .max(MAX_BULK)
      .refine(ids => new Set(ids).size === ids.length, 'names one twice'),
    actions: bulkActions,
    /** By id, the version that the caller saw: a conversation that has changed since is refused. */
    versions: z.record(id, z.int().min(1)).optional(),
  })
  .refine(({ ids, versions = {} }) => Object.keys(versions).every(one => ids.includes(one)), {
    message: 'names a conversation that is not among ids',
    path: ['versions'],
  })

/** What became of one conversation. `partly`: some actions were refused, others changed it. */
export const bulkResult = z
  .object({
    id,
    result: z.enum(['changed', 'unchanged', 'partly', 'refused']),
    code: z.string().optional().meta({ description: 'Why nothing was tried, as the code of a problem.' }),
    actions: z.array(actionOutcome),
  })
  .meta({ id: 'BulkResult' })
export const bulkResults = z.object({
  data: z.array(bulkResult),
  batch_id: id.nullable().meta({ description: 'By which the call is read later; null without an Idempotency-Key.' }),
})

const count = z.int()
const batch = z.object({
  id,
  idempotency_key: z.string(),
  user_id: id.nullable().meta({ description: 'Who made the call; null for a key that acts as nobody.' }),
  state: z.enum(['unfinished', 'done']).meta({
    description: 'unfinished: somebody is at it, or it died and goes on when the same call is sent again.',
  }),
  total: count,
  done: count,
  tally: z.object({ changed: count, unchanged: count, partly: count, refused: count }),
  created_at: instantOut,
  updated_at: instantOut.meta({ description: 'When the last part of it was done.' }),
})
/** How far a bulk call with an Idempotency-Key is. */
export const conversationBatchView = batch.meta({ id: 'ConversationBatch' })
export const conversationBatchWithResults = batch
  .extend({ data: z.array(bulkResult).meta({ description: 'Those that there are so far, in the order asked for.' }) })
  .meta({ id: 'ConversationBatchWithResults' })
export const conversationBatchQuery = pageQuery.extend({
  idempotency_key: z
    .string()
    .regex(/^[A-Za-z0-9_:.-]{8,255}$/, 'must be an Idempotency-Key')
    .optional(),
})
