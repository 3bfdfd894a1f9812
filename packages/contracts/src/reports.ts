import {
  beginsAt,
  REPORT_DEFINITIONS,
  REPORT_DIMENSIONS,
  REPORT_INTERVALS,
  REPORT_MEASURE_NAMES,
  REPORT_STATISTICS,
  REPORTS,
  type ReportDimension,
  type ReportName,
} from '@parley/domain'
import { z } from 'zod'
import { cursor, id, instantIn, instantOut, limit } from './common.ts'
import { listOf } from './query.ts'

const quarterHour = instantIn.refine(at => beginsAt(at, 15), 'must be at a full quarter of an hour')
export const none = z.literal('none')
/** What may be asked for that nothing has: no post, nobody. Everything has an inbox and a channel. */
const choice: Record<ReportDimension, z.ZodType<string[]>> = {
  inbox_id: listOf(id),
  channel_id: listOf(id),
  post_id: listOf(z.union([none, id])),
  team_id: listOf(z.union([none, id])),
  user_id: listOf(z.union([none, id])),
  tag_id: id.transform(tag => [tag]).meta({ type: 'string', format: 'uuid' }),
}
export const timeZone = z
  .string()
  .min(1)
  .max(64)
  .refine(isTimeZone, 'must be an IANA time zone such as Europe/Lisbon')
  .default('UTC')

function isTimeZone(name: string): boolean {
  // An offset is none: its days begin where nobody's do.
  if (/^[+-]/.test(name)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone.length > 0
  } catch {
    return false
  }
}

export const period = { from: quarterHour, to: quarterHour }
export const inOrder = ({ from, to }: { from: Date; to: Date }) => from < to
export const NOT_IN_ORDER = { message: 'from must lie before to', path: ['to'] }

export function choices<T extends ReportDimension>(dimensions: readonly T[]) {
  return Object.fromEntries(dimensions.map(name => [name, choice[name].optional()])) as Record<
    T,
    z.ZodOptional<z.ZodType<string[]>>
  >
}

/** What a report can be asked for. Of a period: [from, to), at full quarters of an hour. */
export function reportQuery(report: ReportName) {
  const { group_by, filters } = REPORT_DEFINITIONS[report]
  return z
    .strictObject({
      ...period,
      time_zone: timeZone,
      interval: z.enum(REPORT_INTERVALS).default('none'),
      group_by: listOf(z.enum(group_by as [ReportDimension, ...ReportDimension[]])).optional(),
      format: z.enum(['json', 'csv']).default('json'),
      ...choices(filters),
    })
    .refine(inOrder, NOT_IN_ORDER)
}
export type ReportQueryInput = z.output<ReturnType<typeof reportQuery>> & Partial<Record<ReportDimension, string[]>>

const seconds = z.number().nullable()

/** A report as it is answered. */
export function reportView(report: ReportName) {
  const { measures, times, always, group_by, filters: _ } = REPORT_DEFINITIONS[report]
  const groups = new Set([...always, ...group_by])
  const row = z.object({
    from: instantOut,
    to: instantOut,
    ...Object.fromEntries(
      REPORT_DIMENSIONS.filter(name => groups.has(name)).map(name => [name, id.nullable().optional()]),
    ),
    ...Object.fromEntries(measures.map(name => [name, z.int()])),
    ...Object.fromEntries(
      times.flatMap(({ prefix }) => REPORT_STATISTICS.map(name => [`${prefix}${name}_seconds`, seconds])),
    ),
    ...(report === 'coverage' ? { reasons: z.array(z.object({ reason: z.string(), count: z.int() })) } : {}),
  })
  return z.object({
    report: z.literal(report),
    /** occurred: what was said or done in the period · fulfilled: the answers that were given in it. */
    cohort: z.enum(['occurred', 'fulfilled']),
    ...{ from: instantOut, to: instantOut, time_zone: z.string(), interval: z.enum(REPORT_INTERVALS) },
    /** Up to when what happened is counted; null while nothing is. */
    as_of: instantOut.nullable(),
    rows: z.array(row),
    /** What the ids of the rows are called. */
    names: z.record(z.string(), z.string()),
    ...(report === 'coverage' ? { depth, copy_paste } : {}),
  })
}

const number = z.number().nullable()
/** How often customers were answered in the conversations that were created in the period. */
const depth = z.object({ conversations: z.int(), turns_mean: number, turns_p50: number, turns_p90: number })
/** How many replies of people say the same as another one of the period. */
const copy_paste = z.object({ replies: z.int(), alike: z.int(), share: number })

export const reportParams = z.strictObject({ report: z.enum(REPORTS) })

/** Which number's list: the filters and the period of its row. */
export const countedQuery = z
  .strictObject({
    ...{ limit, cursor: cursor.optional() },
    ...period,
    measure: z.enum(REPORT_MEASURE_NAMES),
    /** Of what needs no reply. */
    reason: z.string().min(1).max(1_000).optional(),
    ...choices(REPORT_DIMENSIONS),
  })
  .refine(inOrder, NOT_IN_ORDER)

/** One of what a number counts. */
export const countedView = z
  .object({
    /** Of the message, or of the event of what became of a conversation. */
    id,
    at: instantOut,
    conversation_id: id.nullable(),
    /** The conversation's number. */
    number: z.int().nullable(),
    message_id: id.nullable(),
    ...{ inbox_id: id, channel_id: id, post_id: id.nullable(), tag_ids: z.array(id) },
    /** Who gets the credit for it, or for the answer to it. */
    ...{ team_id: id.nullable(), user_id: id.nullable() },
    /** What became of a message; who wrote a reply: person, native or program. */
    outcome: z.string().nullable(),
    reason: z.string().nullable(),
    /** Of a message that was answered: the answer to it. */
    answer_id: id.nullable(),
    response_seconds: seconds,
  })
  .meta({ id: 'Counted' })

export const rebuiltView = z.object({ begun_at: instantOut }).meta({ id: 'ReportRebuild' })
