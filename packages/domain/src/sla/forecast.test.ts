import fc from 'fast-check'
import t from 'tap'
import { alwaysOpen, type Calendar } from './calendar.ts'
import { explainForecast, FORECAST_STEP_MS, type ForecastRates, forecastBreaches } from './forecast.ts'

const NOW = new Date('2026-03-02T09:02:00Z')
const OFFICE: Calendar = {
  time_zone: 'Europe/Berlin',
  weekly: [1, 2, 3, 4, 5].map(weekday => ({ weekday, opens: '09:00', closes: '17:00' })),
  holidays: [],
}

const calendars = fc.constantFrom(alwaysOpen('UTC'), OFFICE)
const waits = fc.array(fc.record({ step: fc.integer({ min: -2, max: 60 }), count: fc.integer({ min: 1, max: 9 }) }), {
  maxLength: 12,
})
const rates: fc.Arbitrary<ForecastRates> = fc.record({
  arrivals_per_hour: fc.double({ min: 0, max: 30, noNaN: true }),
  answers_per_open_hour: fc.double({ min: 0, max: 30, noNaN: true }),
  target_seconds: fc.integer({ min: 60, max: 20_000 }),
})
const hours = fc.integer({ min: 1, max: 6 })
const ALMOST = 1e-6

const late = (of: ReturnType<typeof forecastBreaches>) => of.map(({ breached }) => breached)

t.test('more arrivals never make fewer breaches, nor do more answers make more, in any hour', async () => {
  fc.assert(
    fc.property(
      calendars,
      waits,
      rates,
      hours,
      fc.double({ min: 0, max: 20, noNaN: true }),
      (calendar, who, given, ahead, more) => {
        const breaches = (change: Partial<ForecastRates>) =>
          late(forecastBreaches(calendar, who, { ...given, ...change }, NOW, ahead))
        const [plain, busier, faster] = [
          breaches({}),
          breaches({ arrivals_per_hour: given.arrivals_per_hour + more }),
          breaches({ answers_per_open_hour: given.answers_per_open_hour + more }),
        ]
        return plain.every((count, hour) => busier[hour]! >= count - ALMOST && faster[hour]! <= count + ALMOST)
      },
    ),
  )
})

t.test('what falls due is answered before or breached, and whoever waits now is in it once', async () => {
  fc.assert(
    fc.property(calendars, waits, rates, hours, (calendar, who, given, ahead) => {
      const found = forecastBreaches(calendar, who, { ...given, arrivals_per_hour: 0 }, NOW, ahead)
      const due = found.reduce((sum, hour) => sum + hour.due, 0)
      const steps = (ahead * 3_600_000) / FORECAST_STEP_MS
      const counted = who.filter(({ step }) => step >= 1 && step <= steps).reduce((sum, { count }) => sum + count, 0)
      const whole = forecastBreaches(calendar, who, given, NOW, ahead)
      const adds = whole.every(
        hour => Math.abs(hour.due - hour.answered - hour.breached) < ALMOST && hour.answered >= 0,
      )
      return Math.abs(due - counted) < ALMOST && adds
    }),
  )
})

t.test('where nobody answers, everything that falls due is late', async () => {
  fc.assert(
    fc.property(calendars, waits, rates, hours, (calendar, who, given, ahead) =>
      forecastBreaches(calendar, who, { ...given, answers_per_open_hour: 0 }, NOW, ahead).every(
        ({ due, breached }) => Math.abs(due - breached) < ALMOST,
      ),
    ),
  )
})

t.test(
  'whoever is late already is answered first, and who arrives waits behind those that fall due before',
  async t => {
    const four = { arrivals_per_hour: 0, answers_per_open_hour: 4, target_seconds: 3600 }
    const six = [{ step: 12, count: 6 }]
    const [hour] = forecastBreaches(alwaysOpen('UTC'), six, four, NOW, 1)
    t.match(hour, { from: NOW, due: 6 })
    t.ok(Math.abs(hour!.breached - 2) < ALMOST)
    const behind = forecastBreaches(alwaysOpen('UTC'), [...six, { step: 0, count: 3 }], four, NOW, 1)
    t.ok(Math.abs(behind[0]!.breached - 5) < ALMOST)
    const busy = forecastBreaches(alwaysOpen('UTC'), six, { ...four, arrivals_per_hour: 50 }, NOW, 1)
    t.ok(Math.abs(busy[0]!.breached - 2) < ALMOST, 'they are promised an hour, too')
  },
)

t.test('outside of open time nothing is answered', async t => {
  const evening = new Date('2026-03-02T16:30:00Z')
  const given = { arrivals_per_hour: 1, answers_per_open_hour: 100, target_seconds: 1800 }
  const [hour] = forecastBreaches(OFFICE, [{ step: 3, count: 2 }], given, evening, 1)
  t.match(hour, { due: 2, answered: 0, breached: 2 })
})

t.test('a forecast says in words what it assumes', async t => {
  const story = { hours: 4, window_hours: 168, open_hours: 40, waiting: 12, late: 3, arrivals: 50, answers: 60 }
  t.same(explainForecast({ ...story, due: 9.25, breached: 2.04, target_seconds: 3600 }), [
    '12 customers wait now, 3 of them too long already.',
    'In the last 168 hours 60 were answered within 40 hours of open time, which is 1.5 an hour, and 50 began to wait, 0.3 an hour, most of whom were promised an answer within 1 h of open time.',
    "If that goes on, and whoever's answer falls due first is answered first, 9.3 answers fall due in the next 4 hours, and 2 of them will be late.",
  ])
  const last = (change: object) =>
    explainForecast({ ...story, hours: 1, due: 2, breached: 0, target_seconds: null, ...change }).at(-1)
  t.match(last({}), /in the next hour, and all of them will be in time[.]$/)
  t.match(last({ answers: 0, open_hours: 0, breached: 2 }), /all of them will be late, as nobody was answered[.]$/)
  t.match(explainForecast({ ...story, waiting: 1, due: 0, breached: 0, target_seconds: null })[0], /^1 customer waits/)
})
