import { type Calendar, type CompiledCalendar, dueAfter, openMilliseconds } from './calendar.ts'
import { inWords } from './explain.ts'

/** How finely the hours ahead are looked at. */
export const FORECAST_STEP_MS = 300_000
const HOUR_MS = 3_600_000
const STEPS_AN_HOUR = HOUR_MS / FORECAST_STEP_MS

/** What a forecast assumes will go on as it was. */
export type ForecastRates = {
  /** Customers who begin to wait, by the hour of the calendar. */
  arrivals_per_hour: number
  /** Customers who are answered, by the hour of open time. */
  answers_per_open_hour: number
  /** What those who begin to wait are promised, in seconds of open time. */
  target_seconds: number
}

/** Who waits now: `step` says in which of the steps ahead their answer falls due, the first being 1; before that: late already. */
export type ForecastWait = { step: number; count: number }

/** Of one hour ahead: what falls due in it, and which part of that will have been answered by then. `due` is the sum of both. */
export type ForecastHour = { from: Date; to: Date; due: number; answered: number; breached: number }

/**
 * What will fall due within the next hours, and how much of it before anybody answers, if nothing changes: customers go on to
 * arrive and to be answered at the same rates, in the order in which their answers fall due, those who are late already first.
 * It is a mean, and so are its numbers: of ten that it says will be late, eight or twelve may be.
 */
export function forecastBreaches(
  calendar: Calendar | CompiledCalendar,
  waits: ForecastWait[],
  { arrivals_per_hour, answers_per_open_hour, target_seconds }: ForecastRates,
  now: Date,
  hours: number,
): ForecastHour[] {
  const steps = Array.from({ length: hours * STEPS_AN_HOUR }, (_, index) => {
    const [start, end] = [index, index + 1].map(step => new Date(now.getTime() + step * FORECAST_STEP_MS)) as [
      Date,
      Date,
    ]
    const answers = (answers_per_open_hour * openMilliseconds(calendar, start, end)) / HOUR_MS
    const arrivals = arrivals_per_hour / STEPS_AN_HOUR
    return { answers, arrivals, arrivals_due: stepOf(dueAfter(calendar, end, target_seconds * 1000), now) }
  })
  const waiting = new Map<number, number>()
  for (const { step, count } of waits) waiting.set(Math.max(0, step), (waiting.get(Math.max(0, step)) ?? 0) + count)
  const found = Array.from({ length: hours }, (_, index) => {
    const [from, to] = [index, index + 1].map(hour => new Date(now.getTime() + hour * HOUR_MS)) as [Date, Date]
    return { from, to, due: 0, answered: 0, breached: 0 }
  })
  let ahead = waiting.get(0) ?? 0
  for (let step = 1; step <= steps.length; step += 1) {
    const theirs = waiting.get(step) ?? 0
    ahead += theirs
    const before = steps.slice(0, step)
    const due = before.reduce((sum, { arrivals, arrivals_due }) => sum + (arrivals_due === step ? arrivals : 0), theirs)
    // Whatever falls due later waits until these are answered; who arrives in a step is answered in a later one.
    const left = before.reduce(
      (sum, { answers, arrivals, arrivals_due }) => Math.max(0, sum - answers) + (arrivals_due <= step ? arrivals : 0),
      ahead,
    )
    const breached = Math.min(due, left)
    const hour = found[Math.ceil(step / STEPS_AN_HOUR) - 1]!
    hour.due += due
    hour.breached += breached
    hour.answered += due - breached
  }
  return found
}

/** In which of the steps ahead an instant lies; 0 for now and before. */
const stepOf = (at: Date, now: Date) => Math.max(0, Math.ceil((at.getTime() - now.getTime()) / FORECAST_STEP_MS))

export type ForecastStory = {
  hours: number
  window_hours: number
  open_hours: number
  waiting: number
  late: number
  arrivals: number
  answers: number
  due: number
  breached: number
  target_seconds: number | null
}

/** Says how a forecast came about, a sentence each. */
export function explainForecast(story: ForecastStory): string[] {
  const { hours, window_hours, open_hours, waiting, late, arrivals, answers, due, breached, target_seconds } = story
  const ahead = hours === 1 ? 'hour' : `${hours} hours`
  const rate = (count: number, of: number) => about(of === 0 ? 0 : count / of)
  return [
    `${customers(waiting)} now, ${late} of them too long already.`,
    `In the last ${window_hours} hours ${answers} ${answers === 1 ? 'was' : 'were'} answered within ${about(open_hours)} hours of open time, which is ` +
      `${rate(answers, open_hours)} an hour, and ${arrivals} began to wait, ${rate(arrivals, window_hours)} an hour` +
      (target_seconds === null
        ? '.'
        : `, most of whom were promised an answer within ${inWords(target_seconds)} of open time.`),
    `If that goes on, and whoever's answer falls due first is answered first, ${about(due)} answers fall due in the next ` +
      `${ahead}, and ${outcome(due, breached, answers)}.`,
  ]
}

const customers = (count: number) => (count === 1 ? '1 customer waits' : `${count} customers wait`)

function outcome(due: number, breached: number, answers: number): string {
  if (due > 0 && answers === 0) return 'all of them will be late, as nobody was answered'
  return breached < 0.05 ? 'all of them will be in time' : `${about(breached)} of them will be late`
}

/** One decimal at most; two of what is less than one. */
const about = (count: number) => String(Number(count.toFixed(count < 1 ? 2 : 1)))
