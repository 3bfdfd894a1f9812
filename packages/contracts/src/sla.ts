import { CLOCK_STATES, SLA_METRICS } from '@parley/domain'
import { z } from 'zod'
import { id, instantIn, instantOut, name } from './common.ts'

const MAX_TARGET_SECONDS = 366 * 24 * 3600

const target = z.int().min(1).max(MAX_TARGET_SECONDS).nullable().default(null)

export const policyBody = z
  .strictObject({
    name,
    calendar_id: id,
    first_response_seconds: target,
    next_response_seconds: target,
    /** Waits that began earlier get no clock, so that a new policy does not breach in a mass. Now, when absent. */
    enforce_from: instantIn.optional(),
  })
  .refine(policy => policy.first_response_seconds !== null || policy.next_response_seconds !== null, {
    message: 'a policy needs at least one target',
    path: ['first_response_seconds'],
  })

export const policyView = z
  .object({
    id,
    name: z.string(),
    version: z.int(),
    calendar_id: id,
    first_response_seconds: z.int().nullable(),
    next_response_seconds: z.int().nullable(),
    enforce_from: instantOut,
    created_at: instantOut,
  })
  .meta({ id: 'SlaPolicy' })

export const clockView = z
  .object({
    id,
    metric: z.enum(SLA_METRICS),
    ordinal: z.int(),
    contact_id: id,
    policy_id: id,
    policy_version: z.int(),
    calendar_id: id,
    calendar_version: z.int(),
    started_at: instantOut,
    target_seconds: z.int(),
    due_at: instantOut,
    state: z.enum(CLOCK_STATES),
    breached_at: instantOut.nullable(),
    detected_at: instantOut.nullable(),
    fulfilled_at: instantOut.nullable(),
    fulfilled_by_message_id: id.nullable(),
    cancelled_at: instantOut.nullable(),
    cancelled_reason: z.string().nullable(),
    owner_id: id.nullable(),
  })
  .meta({ id: 'SlaClock' })

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
    clocks: z.array(clockView),
  })
  .meta({ id: 'ConversationSla' })

const YEAR_MS = 366 * 24 * 3600 * 1000

export const summaryQuery = z
  .strictObject({ from: instantIn, to: instantIn })
  .refine(range => range.from < range.to, { message: 'must lie before `to`', path: ['from'] })
  .refine(range => range.to.getTime() - range.from.getTime() <= 2 * YEAR_MS, {
    message: 'at most two years at once',
    path: ['to'],
  })

const cohort = z.object({
  metric: z.enum(SLA_METRICS),
  /** met ÷ (met + breached); null when neither happened. */
  attainment: z.number().nullable(),
  met: z.int(),
  breached: z.int(),
  /** Not answered and already late: counted within `breached`. */
  open_overdue: z.int(),
  /** Not answered and not yet due: in neither. */
  open: z.int(),
  cancelled: z.int(),
  /** Calendar seconds from the customer's message to the accepted answer, late answers included. */
  response_seconds: z.object({
    mean: z.number().nullable(),
    p50: z.number().nullable(),
    p90: z.number().nullable(),
    p95: z.number().nullable(),
  }),
})

export const summaryView = z
  .object({
    /** Which clocks are counted: those that started in [from, to). */
    cohort: z.literal('started'),
    from: instantOut,
    to: instantOut,
    as_of: instantOut,
    metrics: z.array(cohort),
  })
  .meta({ id: 'SlaSummary' })
