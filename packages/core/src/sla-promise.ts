import { findInboxPromise, getCalendarVersion, type SlaClock, type SlaPromise, type Trx } from '@parley/db'
import {
  type Calendar,
  type CompiledCalendar,
  compileCalendar,
  dueAt,
  metricOfWait,
  type SlaMetric,
} from '@parley/domain'

// Compiling a calendar costs as much as dozens of due times; a version of one never changes.
const compiled = new Map<string, CompiledCalendar>()
const MAX_COMPILED = 200

type CalendarVersion = Pick<SlaPromise, 'calendar_id' | 'calendar_version'>
const versionKey = ({ calendar_id, calendar_version }: CalendarVersion) => `${calendar_id}:${calendar_version}`

/** The calendar of that version, compiled once. */
export function compiledCalendar(version: CalendarVersion, definition: unknown): CompiledCalendar {
  const known = compiled.get(versionKey(version))
  if (known) return known
  if (compiled.size >= MAX_COMPILED) compiled.clear()
  const calendar = compileCalendar(definition as Calendar)
  compiled.set(versionKey(version), calendar)
  return calendar
}

/** When a clock falls due if it starts at another time, by the target and the calendar it was started with. */
export async function dueOfClock(trx: Trx, clock: SlaClock, started_at: Date): Promise<Date> {
  const calendar =
    compiled.get(versionKey(clock)) ??
    compiledCalendar(clock, await getCalendarVersion(trx, clock.calendar_id, clock.calendar_version))
  return dueAt(calendar, started_at, clock.target_seconds)
}

/** What an inbox promises to a customer who begins to wait. */
export type InboxTargets = {
  /** Undefined where nothing is promised: no target for this metric, or the wait began before the policy counts. */
  clockFor(wait: {
    ordinal: number
    opened_at: Date
  }): { metric: SlaMetric; target_seconds: number; due_at: Date; versions: ClockVersions } | undefined
}
type ClockVersions = Pick<SlaPromise, 'policy_id' | 'policy_version' | 'calendar_id' | 'calendar_version'>

export async function loadInboxTargets(trx: Trx, inbox_id: string): Promise<InboxTargets> {
  const promise = await findInboxPromise(trx, inbox_id)
  return {
    clockFor({ ordinal, opened_at }) {
      if (!promise || opened_at < promise.enforce_from) return undefined
      const metric = metricOfWait(ordinal)
      const target_seconds = promise[`${metric}_seconds`]
      if (target_seconds === null) return undefined
      const { policy_id, policy_version, calendar_id, calendar_version } = promise
      return {
        metric,
        target_seconds,
        due_at: dueAt(compiledCalendar(promise, promise.calendar), opened_at, target_seconds),
        versions: { policy_id, policy_version, calendar_id, calendar_version },
      }
    },
  }
}
