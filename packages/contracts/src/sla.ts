import { CLOCK_STATES, SLA_METRICS } from '@parley/domain'
import { z } from 'zod'
import { id, instantIn, instantOut } from './common.ts'

export const clockView = z
  .object({
    id,
    metric: z.enum(SLA_METRICS),
    ordinal: z.int(),
    contact_id: id.nullable().meta({ description: "Null: it is the whole conversation's." }),
    policy_id: id,
    policy_version: z.int(),
    calendar_id: id,
    calendar_version: z.int(),
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
