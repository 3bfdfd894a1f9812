import fc from 'fast-check'
import { test } from 'tap'
import { type Calendar, openMilliseconds } from './calendar.ts'
import { type ClockRun, countedBy, dueOf, isBreached, nextWarning } from './clock.ts'
import { metricOfWait } from './metric.ts'

const at = (time: string) => new Date(`2026-03-02T${time}Z`)
const OFFICE: Calendar = {
  time_zone: 'Europe/Berlin',
  weekly: [1, 2, 3, 4, 5].map(weekday => ({ weekday, opens: '09:00', closes: '17:00' })),
  holidays: [],
}
const instants = fc.date({ min: new Date('2026-01-01'), max: new Date('2027-01-01'), noInvalidDate: true })

test('the first wait is for the first response, each later one for the next', async t => {
  t.equal(metricOfWait(1), 'first_response')
  t.same([2, 3, 100].map(metricOfWait), ['next_response', 'next_response', 'next_response'])
})

test('an answer in the very millisecond it falls due has kept the promise', async t => {
  const due = at('10:00:00')
  t.equal(isBreached(due, at('09:59:59.999')), false)
  t.equal(isBreached(due, at('10:00:00.000')), false)
  t.equal(isBreached(due, at('10:00:00.001')), true)
})

test('a clock that was paused falls due as much open time later as it stood still', async () => {
  const scenario = fc.record({
    started_at: instants,
    target_seconds: fc.integer({ min: 1, max: 300_000 }),
    steps: fc.array(fc.integer({ min: 0, max: 50_000_000 }), { maxLength: 8 }),
  })
  fc.assert(
    fc.property(scenario, ({ started_at, target_seconds, steps }) => {
      let run: ClockRun = { started_at, target_seconds, counted_ms: 0, running_since: null }
      let [instant, counted] = [started_at, 0]
      for (const [index, step] of steps.entries()) {
        const next = new Date(instant.getTime() + step)
        if (index % 2 === 0) {
          counted += openMilliseconds(OFFICE, instant, next)
          run = { ...run, counted_ms: countedBy(OFFICE, run, next) }
        } else run = { ...run, running_since: next }
        instant = next
      }
      if (steps.length % 2 === 1) run = { ...run, running_since: instant }
      const [due, from] = [dueOf(OFFICE, run), run.running_since ?? started_at]
      const left = Math.max(0, target_seconds * 1000 - counted)
      return run.counted_ms === counted && openMilliseconds(OFFICE, from, due) === left
    }),
  )
})

test('warnings are told in order, each its open time before the due time, and none at the start or before', async () => {
  const scenario = fc.record({
    started_at: instants,
    target_seconds: fc.integer({ min: 1, max: 100_000 }),
    left: fc.uniqueArray(fc.integer({ min: 1, max: 120_000 }), { maxLength: 5 }),
  })
  fc.assert(
    fc.property(scenario, ({ started_at, target_seconds, left }) => {
      const run: ClockRun = { started_at, target_seconds, counted_ms: 0, running_since: null }
      const due = dueOf(OFFICE, run)
      const told: number[] = []
      let [before, remaining] = [started_at, left]
      for (;;) {
        const warning = nextWarning(OFFICE, run, remaining)
        if (!warning) break
        const open = openMilliseconds(OFFICE, warning.at, due)
        if (warning.at < before || open !== warning.before_seconds * 1000) return false
        told.push(warning.before_seconds)
        before = warning.at
        remaining = remaining.filter(seconds => seconds !== warning.before_seconds)
      }
      const expected = left.filter(seconds => seconds < target_seconds).sort((a, b) => b - a)
      return JSON.stringify(told) === JSON.stringify(expected)
    }),
  )
})
