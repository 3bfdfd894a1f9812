import {
  CLOCK_OUTCOMES,
  CONVERSATION_PRIORITIES,
  REPORT_DIMENSIONS,
  REPORT_INTERVALS,
  REPORT_STATISTICS,
  SLA_COHORTS,
  SLA_DIMENSIONS,
  SLA_MEASURE_NAMES,
  SLA_METRICS,
} from '@parley/domain'
import { z } from 'zod'
import { cursor, id, instantOut, limit } from './common.ts'
import { listOf } from './query.ts'
import { choices, inOrder, NOT_IN_ORDER, none, period, timeZone } from './reports.ts'

const chosen = {
  ...period,
  cohort: z.enum(SLA_COHORTS).default('started').meta({
    description: 'Which clocks belong to the period: those that started, fell due or were fulfilled in it.',
  }),
  metric: listOf(z.enum(SLA_METRICS)).optional(),
  ...choices(REPORT_DIMENSIONS),
  policy_id: listOf(z.union([none, id])).optional(),
  priority: listOf(z.enum(CONVERSATION_PRIORITIES)).optional(),
}

/** Of a period: [from, to), at full quarters of an hour. */
export const slaSummaryQuery = z
  .strictObject({
    ...chosen,
    time_zone: timeZone,
    interval: z.enum(REPORT_INTERVALS).default('none'),
    group_by: listOf(z.enum(SLA_DIMENSIONS)).optional(),
    format: z.enum(['json', 'csv']).default('json'),
  })
  .refine(inOrder, NOT_IN_ORDER)

const seconds = z.number().nullable()
const statistics = (prefix: 'calendar' | 'business') =>
  Object.fromEntries(REPORT_STATISTICS.map(name => [`${prefix}_${name}_seconds`, seconds]))

const row = z.object({
  ...{ from: instantOut, to: instantOut },
  ...Object.fromEntries(REPORT_DIMENSIONS.map(name => [name, id.nullable().optional()])),
  policy_id: id.nullable().optional(),
  priority: z.string().optional(),
  metric: z.enum(SLA_METRICS),
  attainment: z.number().nullable().meta({ description: 'met ÷ (met + breached); null when neither happened.' }),
  met: z.int(),
  breached: z.int().meta({ description: 'Fell due before what was promised had come, whatever became of it.' }),
  open_overdue: z.int().meta({ description: 'Of what was breached, what has not come yet.' }),
  open: z.int().meta({ description: 'Not yet due: in neither.' }),
  cancelled: z.int().meta({ description: 'Nobody waits for it any more, and it had not fallen due: in neither.' }),
  fulfilled: z.int().meta({ description: 'What the times are of: in time or late.' }),
  ...statistics('calendar'),
  ...statistics('business'),
})

export const slaSummaryView = z
  .object({
    cohort: z.enum(SLA_COHORTS),
    ...{ from: instantOut, to: instantOut, time_zone: z.string(), interval: z.enum(REPORT_INTERVALS) },
    as_of: instantOut
      .nullable()
      .meta({ description: 'Up to when what happened is counted, and what is judged overdue; null while nothing is.' }),
    rows: z.array(row),
    names: z.record(z.string(), z.string()).meta({ description: 'What the ids of the rows are called.' }),
  })
  .meta({ id: 'SlaSummary' })

/** Which number's list: the filters and the period of its row. */
export const countedClocksQuery = z
  .strictObject({ limit, cursor: cursor.optional(), measure: z.enum(SLA_MEASURE_NAMES), ...chosen })
  .refine(inOrder, NOT_IN_ORDER)

/** One of the clocks that a number counts. */
export const countedClockView = z
  .object({
    id,
    at: instantOut.meta({ description: 'What decides in which period it is.' }),
    ...{ conversation_id: id, number: z.int().nullable(), metric: z.enum(SLA_METRICS), policy_id: id.nullable() },
    ...{ priority: z.string(), inbox_id: id, channel_id: id, post_id: id.nullable(), tag_ids: z.array(id) },
    user_id: id.nullable().meta({ description: 'Whose the conversation was at the outcome.' }),
    ...{ team_id: id.nullable(), started_at: instantOut, due_at: instantOut, fulfilled_at: instantOut.nullable() },
    outcome: z.enum(CLOCK_OUTCOMES).meta({
      description:
        'met · late: breached, and came after all · overdue: breached, and has not come · abandoned: breached, and nobody waits ' +
        'any more · running, paused: open · cancelled.',
    }),
    cancelled_reason: z.string().nullable(),
    ...{ calendar_seconds: seconds, business_seconds: seconds },
  })
  .meta({ id: 'CountedClock' })
