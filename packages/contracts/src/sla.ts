import { CLOCK_STATES, SLA_METRICS } from '@parley/domain'
import { z } from 'zod'
import { id, instantIn, instantOut, pageQuery } from './common.ts'
import { listOf } from './query.ts'

export const clockView = z
  .object({
    id,
    metric: z.enum(SLA_METRICS),
    ordinal: z.int(),
    contact_id: id.nullable().meta({ description: "Null: it is the whole conversation's, or a message's." }),
    message_id: id.nullable().meta({ description: 'The message that was flagged, or that opened the window.' }),
    policy_id: id
      .nullable()
      .meta({ description: "Null, and so are the next three, of a window: that is the network's." }),
    policy_version: z.int().nullable(),
    calendar_id: id.nullable(),
    calendar_version: z.int().nullable(),
    started_at: instantOut,
    target_seconds: z.int(),
    due_at: instantOut,
    priority: z.string().meta({ description: 'The priority whose target it has.' }),
    cause: z.string().nullable().meta({
      description: 'Why it falls due then, where that is not for its start: retargeted, policy_applied.',
    }),
    state: z.enum(CLOCK_STATES),
    paused_at: instantOut.nullable(),
    paused_ms: z.int().meta({ description: 'How long it stood still, in calendar time, until it last went on.' }),
    warn_at: instantOut.nullable().meta({ description: 'When it is told next that it is about to fall due.' }),
    breached_at: instantOut.nullable(),
    detected_at: instantOut.nullable(),
    fulfilled_at: instantOut.nullable(),
    fulfilled_by_message_id: id.nullable(),
    cancelled_at: instantOut.nullable(),
    cancelled_reason: z.string().nullable(),
    owner_id: id.nullable(),
    team_id: id.nullable(),
  })
  .meta({ id: 'SlaClock' })

/** How a clock came to its due time. */
const explanation = z
  .object({
    counted_seconds: z.number(),
    intervals: z
      .array(z.object({ start: instantOut, end: instantOut, seconds: z.number() }))
      .meta({ description: 'The stretches of open time in which it counted; of many, the first.' }),
    more_intervals: z.int(),
    pauses: z.array(z.object({ from: instantOut, until: instantOut.nullable() })),
    holidays: z.array(z.object({ date: z.string(), name: z.string().optional() })),
    text: z.array(z.string()).meta({ description: "The same in words, in the times of the calendar's zone." }),
  })
  .meta({ id: 'SlaExplanation' })

export const conversationSlaView = z
  .object({
    waits: z.array(
      z.object({
        id,
        contact_id: id,
        ordinal: z.int(),
        opened_at: instantOut,
        opened_by_message_id: id,
        closed_at: instantOut.nullable(),
        closed_by_message_id: id.nullable(),
        network_lag_ms: z.int(),
        ingest_lag_ms: z.int(),
      }),
    ),
    clocks: z.array(clockView.extend({ explanation })),
  })
  .meta({ id: 'ConversationSla' })

const ownerOf = z.union([z.literal('none'), id])
const clockQuery = pageQuery.extend({
  metric: listOf(z.enum(SLA_METRICS)).optional(),
  inbox_id: listOf(id).optional(),
  channel_id: id.optional(),
  policy_id: id.optional(),
  assignee_id: ownerOf.optional(),
  team_id: ownerOf.optional(),
})
export const atRiskQuery = clockQuery.extend({
  within_seconds: z
    .string()
    .regex(/^[1-9]\d{0,6}$/, 'must be a whole number of seconds')
    .transform(Number)
    .optional()
    .meta({ type: 'integer', minimum: 1, description: 'Only what falls due within so many seconds from now.' }),
})

const ofConversation = z.object({
  id,
  number: z.int(),
  subject: z.string().nullable(),
  status: z.string(),
  priority: z.string(),
  inbox_id: id,
  channel_id: id,
  assignee_id: id.nullable(),
  team_id: id.nullable(),
  waiting_since: instantOut.nullable(),
})
const listedClock = clockView.extend({
  conversation: ofConversation,
  network_lag_ms: z
    .int()
    .nullable()
    .meta({ description: 'How late the network was with the message that began the wait.' }),
  ingest_lag_ms: z.int().nullable().meta({ description: 'How late we were with it.' }),
})
export const clockAtRisk = listedClock
  .extend({ left_seconds: z.number().meta({ description: 'Until it falls due, in calendar time.' }) })
  .meta({ id: 'ClockAtRisk' })
export const breachedClock = listedClock
  .extend({ detection_lag_ms: z.int().meta({ description: 'From its due time until we noticed.' }) })
  .meta({ id: 'BreachedClock' })

export const breachesQuery = clockQuery
  .extend({ from: instantIn, to: instantIn })
  .refine(range => range.from < range.to, { message: 'must lie before `to`', path: ['from'] })

export const recalculateBody = z.strictObject({
  policy_id: id.optional().meta({ description: 'Only clocks that were started with this policy.' }),
  inbox_id: id.optional(),
  metric: z.array(z.enum(SLA_METRICS)).min(1).max(SLA_METRICS.length).optional(),
  dry_run: z.boolean().meta({ description: 'True: it only counts what would be moved.' }),
  after: id.optional().meta({ description: 'Where an answer that was not complete says it goes on.' }),
})
export const recalculatedView = z
  .object({
    dry_run: z.boolean(),
    looked_at: z.int(),
    changed: z.int(),
    breaching: z.int().meta({ description: 'Those that fall due at this moment by being moved.' }),
    complete: z.boolean(),
    after: id.nullable(),
  })
  .meta({ id: 'SlaRecalculation' })
