export const REPORTS = ['volume', 'coverage', 'response_times', 'agents', 'channels', 'tags', 'ingest'] as const
export type ReportName = (typeof REPORTS)[number]

export const REPORT_INTERVALS = ['none', 'hour', 'day', 'week', 'month'] as const
export type ReportInterval = (typeof REPORT_INTERVALS)[number]

/** By what the numbers of a report can be told apart, and chosen. */
export const REPORT_DIMENSIONS = ['inbox_id', 'channel_id', 'post_id', 'team_id', 'user_id', 'tag_id'] as const
export type ReportDimension = (typeof REPORT_DIMENSIONS)[number]

/** What is counted: which sum it is in, and of a sum of several outcomes which of them. */
const counted = (measure: string, outcome?: string) => ({ measure, outcome })

/** Every number that there is a list behind, by its name. */
export const REPORT_MEASURES = {
  messages_in: counted('message'),
  answered: counted('message', 'answered'),
  acknowledged: counted('message', 'acknowledged'),
  no_reply_needed: counted('message', 'no_reply_needed'),
  hidden: counted('message', 'hidden'),
  spam: counted('message', 'spam'),
  deleted: counted('message', 'deleted'),
  automatic: counted('message', 'automatic'),
  unhandled: counted('message', 'unhandled'),
  replies_out: counted('reply'),
  conversations_created: counted('created'),
  conversations_resolved: counted('resolved'),
  conversations_reopened: counted('reopened'),
  answers: counted('answer'),
  parked_events: counted('parked'),
}
export type ReportMeasure = keyof typeof REPORT_MEASURES
export const REPORT_MEASURE_NAMES = Object.keys(REPORT_MEASURES) as [ReportMeasure, ...ReportMeasure[]]

const VOLUME = [
  ...(['messages_in', 'replies_out'] as const),
  ...(['conversations_created', 'conversations_resolved', 'conversations_reopened'] as const),
] satisfies ReportMeasure[]
/** What became of customers' messages: each of them is exactly one of these. */
export const COVERAGE = [
  ...(['answered', 'acknowledged', 'no_reply_needed', 'hidden', 'spam', 'deleted', 'automatic', 'unhandled'] as const),
] satisfies ReportMeasure[]

export type ReportDefinition = {
  /** What belongs to the period: what was said or done in it, or the answers that were given in it. */
  cohort: 'occurred' | 'fulfilled'
  measures: ReportMeasure[]
  /** Times of which the mean and percentiles are told, and how their names begin. */
  times: { measure: string; prefix: string }[]
  /** By what its rows always are told apart. */
  always: ReportDimension[]
  group_by: ReportDimension[]
  filters: ReportDimension[]
}

const places: ReportDimension[] = ['inbox_id', 'channel_id', 'post_id', 'tag_id']
const response = { measure: 'answer', prefix: '' }

export const REPORT_DEFINITIONS: Record<ReportName, ReportDefinition> = {
  volume: { cohort: 'occurred', measures: VOLUME, times: [], always: [], group_by: places, filters: places },
  coverage: {
    cohort: 'occurred',
    measures: ['messages_in', ...COVERAGE],
    times: [],
    always: [],
    group_by: places,
    filters: places,
  },
  response_times: {
    cohort: 'fulfilled',
    measures: ['answers'],
    times: [response],
    always: [],
    group_by: [...REPORT_DIMENSIONS],
    filters: [...REPORT_DIMENSIONS],
  },
  agents: {
    cohort: 'occurred',
    measures: ['replies_out', 'answers', 'conversations_resolved'],
    times: [response],
    always: ['user_id'],
    group_by: ['inbox_id', 'channel_id', 'team_id'],
    filters: ['inbox_id', 'channel_id', 'team_id', 'user_id'],
  },
  channels: {
    cohort: 'occurred',
    measures: [...VOLUME, ...COVERAGE],
    times: [],
    always: ['channel_id'],
    group_by: ['inbox_id'],
    filters: ['inbox_id', 'channel_id'],
  },
  tags: {
    cohort: 'occurred',
    measures: [...VOLUME, ...COVERAGE],
    times: [],
    always: ['tag_id'],
    group_by: ['inbox_id', 'channel_id'],
    filters: ['inbox_id', 'channel_id', 'tag_id'],
  },
  ingest: {
    cohort: 'occurred',
    measures: ['messages_in', 'parked_events'],
    times: [
      { measure: 'network_lag', prefix: 'network_lag_' },
      { measure: 'ingest_lag', prefix: 'ingest_lag_' },
    ],
    always: ['channel_id'],
    group_by: ['inbox_id'],
    filters: ['inbox_id', 'channel_id'],
  },
}

/** What is told of times, in seconds. */
export const REPORT_STATISTICS = ['mean', 'p50', 'p90', 'p95'] as const
export type ReportStatistic = (typeof REPORT_STATISTICS)[number]
