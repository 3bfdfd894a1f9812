import { REPORT_DIMENSIONS } from './reports.ts'

/** What decides in which period a clock is: when it started, when it fell due, or when what it promised came. */
export const SLA_COHORTS = ['started', 'due', 'fulfilled'] as const
export type SlaCohort = (typeof SLA_COHORTS)[number]

/** By what the numbers of a summary can be told apart, and chosen. */
export const SLA_DIMENSIONS = [...REPORT_DIMENSIONS, 'policy_id', 'priority'] as const
export type SlaDimension = (typeof SLA_DIMENSIONS)[number]

/**
 * What became of a clock: each is exactly one of these. Breached are `late` (it came after all), `overdue` (it has not come
 * yet) and `abandoned` (nobody waits for it any more).
 */
export const CLOCK_OUTCOMES = ['met', 'late', 'overdue', 'abandoned', 'running', 'paused', 'cancelled'] as const
export type ClockOutcome = (typeof CLOCK_OUTCOMES)[number]

/** Every number of a summary that there is a list behind, and the outcomes that it counts. */
export const SLA_MEASURES = {
  met: ['met'],
  breached: ['late', 'overdue', 'abandoned'],
  /** Of what was breached, what has not come yet. */
  open_overdue: ['overdue'],
  open: ['running', 'paused'],
  cancelled: ['cancelled'],
  /** What its times are of. */
  fulfilled: ['met', 'late'],
} as const satisfies Record<string, readonly ClockOutcome[]>
export type SlaMeasure = keyof typeof SLA_MEASURES
export const SLA_MEASURE_NAMES = Object.keys(SLA_MEASURES) as [SlaMeasure, ...SlaMeasure[]]

type StandingClock = {
  state: 'running' | 'paused' | 'fulfilled' | 'cancelled'
  breached_at: Date | null
}

/** What has become of a clock by what is recorded of it. */
export function outcomeOfClock({ state, breached_at }: StandingClock): ClockOutcome {
  switch (state) {
    case 'fulfilled':
      return breached_at ? 'late' : 'met'
    case 'cancelled':
      return breached_at ? 'abandoned' : 'cancelled'
    default:
      return breached_at ? 'overdue' : state
  }
}

/** The share of what was promised and is decided that was kept; null while nothing is. */
export const attainmentOf = ({ met, breached }: { met: number; breached: number }): number | null =>
  met + breached === 0 ? null : met / (met + breached)
