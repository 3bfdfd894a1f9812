import {
  type ClockSelection,
  countWaiting,
  listReportNames,
  listUsualPromises,
  listWaitingBySteps,
  readClockSums,
  readSumsByIndex,
  type Trx,
  type UsualPromise,
} from '@parley/db'
import {
  beginningOf,
  explainForecast,
  type ForecastHour,
  type ForecastWait,
  forecastBreaches,
  openSeconds,
  RESPONSE_METRICS,
} from '@parley/domain'
import { findClocksReadUpTo } from '../reports/read-sla-summary.ts'
import { ALWAYS_OPEN, hoursOf } from './promises.ts'

export type ForecastQuery = {
  /** Those that the caller sees and asks for; null: all. */
  inbox_ids: string[] | null
  hours: number
  window_hours: number
}

const HOUR_MS = 3_600_000
const QUARTER_MS = 900_000
const MAX_SUMS = 100_000

/**
 * What will not be answered in time within the next hours if nothing changes, of each inbox in which somebody waits or began
 * to in the window, and of all together. `as_of` tells up to when the log was read for it: null while it was not.
 */
export async function forecastSla(trx: Trx, { inbox_ids, hours, window_hours }: ForecastQuery, now: Date) {
  await readSumsByIndex(trx)
  const as_of = await findClocksReadUpTo(trx, now)
  const window = { from: new Date(now.getTime() - window_hours * HOUR_MS), to: now }
  const until = new Date(now.getTime() + hours * HOUR_MS)
  const waits = await listWaitingBySteps(trx, inbox_ids, now, until)
  const waiting = await countWaiting(trx, inbox_ids)
  const arrivals = await countByInbox(trx, inbox_ids, window, 'started')
  const answers = await countByInbox(trx, inbox_ids, window, 'fulfilled')
  const usual = new Map((await listUsualPromises(trx, inbox_ids, window)).map(promise => [promise.inbox_id, promise]))
  const ids = [...new Set([...waiting.keys(), ...arrivals.keys(), ...answers.keys()])].sort()
  const names = await listReportNames(trx, ids)
  const inboxes = await Promise.all(
    ids.map(inbox_id => {
      const theirs = waits.filter(wait => wait.inbox_id === inbox_id)
      const counts = {
        waiting: waiting.get(inbox_id) ?? 0,
        late: theirs.find(({ step }) => step === 0)?.count ?? 0,
        arrivals: arrivals.get(inbox_id) ?? 0,
        answers: answers.get(inbox_id) ?? 0,
      }
      const known = { inbox_id, name: names.get(inbox_id) ?? '', counts, waits: theirs, promise: usual.get(inbox_id) }
      return forecastInbox(trx, known, window, { hours, window_hours })
    }),
  )
  const total = (['waiting', 'late', 'arrivals', 'answers', 'due', 'answered', 'breached'] as const).map(name => [
    name,
    inboxes.reduce((sum, inbox) => sum + inbox[name], 0),
  ])
  return {
    as_of,
    window,
    total: { ...(Object.fromEntries(total) as Totals), hours: together(inboxes.map(({ hours }) => hours)) },
    inboxes,
  }
}

type KnownInbox = {
  inbox_id: string
  name: string
  counts: Record<'waiting' | 'late' | 'arrivals' | 'answers', number>
  waits: ForecastWait[]
  promise: UsualPromise | undefined
}

async function forecastInbox(
  trx: Trx,
  { inbox_id, name, counts, waits, promise }: KnownInbox,
  window: { from: Date; to: Date },
  { hours, window_hours }: Pick<ForecastQuery, 'hours' | 'window_hours'>,
) {
  const now = window.to
  const calendar = promise ? await hoursOf(trx, promise) : ALWAYS_OPEN
  const open_hours = openSeconds(calendar, window.from, window.to) / 3600
  const rates = {
    arrivals_per_hour: promise ? counts.arrivals / window_hours : 0,
    answers_per_open_hour: open_hours === 0 ? 0 : counts.answers / open_hours,
  }
  const target_seconds = promise?.target_seconds ?? null
  const ahead = forecastBreaches(calendar, waits, { ...rates, target_seconds: target_seconds ?? 0 }, now, hours)
  const [due, breached] = [sumOf(ahead, 'due'), sumOf(ahead, 'breached')]
  const text = explainForecast({ hours, window_hours, open_hours, ...counts, due, breached, target_seconds })
  const assumed = { ...rates, open_hours, target_seconds, policy_id: promise?.policy_id ?? null }
  return { inbox_id, name, ...counts, assumed, due, answered: due - breached, breached, hours: ahead, text }
}

type Totals = Record<'waiting' | 'late' | 'arrivals' | 'answers' | 'due' | 'answered' | 'breached', number>

const sumOf = (hours: ForecastHour[], name: 'due' | 'breached') => hours.reduce((sum, hour) => sum + hour[name], 0)

/** The same hours of several inboxes as one. */
const together = (all: ForecastHour[][]): ForecastHour[] =>
  (all[0] ?? []).map((first, hour) => {
    const sum = (name: 'due' | 'answered' | 'breached') => all.reduce((total, hours) => total + hours[hour]![name], 0)
    return { ...first, due: sum('due'), answered: sum('answered'), breached: sum('breached') }
  })

/** How many began to wait, or were answered, in the window. Whoever waits no longer though nobody answered counts as neither. */
async function countByInbox(
  trx: Trx,
  inbox_ids: string[] | null,
  window: { from: Date; to: Date },
  cohort: 'started' | 'fulfilled',
): Promise<Map<string, number>> {
  const whole = { time_zone: 'UTC', interval: 'none' as const, dimensions: ['inbox_id' as const], filters: {} }
  // Both its first and its last quarter are counted whole; of the last one that is what has happened so far.
  const from = beginningOf(window.from, 15)
  const to = new Date(beginningOf(window.to, 15).getTime() + QUARTER_MS)
  const selection: ClockSelection = { ...whole, from, to, cohort, inbox_ids, metrics: [...RESPONSE_METRICS] }
  const counts = new Map<string, number>()
  for (const sum of await readClockSums(trx, selection, MAX_SUMS)) {
    if (sum.what !== 'count' || sum.outcome === 'cancelled' || sum.outcome === 'abandoned') continue
    counts.set(sum.inbox_id!, (counts.get(sum.inbox_id!) ?? 0) + sum.count)
  }
  return counts
}
