import t from 'tap'
import {
  alwaysOpen,
  type Calendar,
  CalendarError,
  canonicalTimeZone,
  compileCalendar,
  dueAt,
  openIntervals,
  openMilliseconds,
  openSeconds,
  validateCalendar,
} from './calendar.ts'

const DAY = 86_400
const MONDAY = { weekday: 1, opens: '09:00', closes: '17:00' }
const OFFICE: Calendar = {
  time_zone: 'Europe/Berlin',
  weekly: [1, 2, 3, 4, 5].map(weekday => ({ ...MONDAY, weekday })),
  holidays: [],
}

function due(calendar: Calendar, start: string, target_seconds: number): string {
  return dueAt(calendar, new Date(start), target_seconds).toISOString()
}

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof CalendarError) return error.code
    throw error
  }
  return 'accepted'
}

/** Every date of a leap year, so every date there is. */
function everyDate(): string[] {
  return Array.from({ length: 366 }, (_, day) => new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(5, 10))
}

t.test('a target falls due at the earliest instant that completes it', async t => {
  t.equal(due(OFFICE, '2026-01-09T14:00:00Z', 3600), '2026-01-09T15:00:00.000Z')
  t.equal(due(OFFICE, '2026-01-09T15:00:00Z', 3600), '2026-01-09T16:00:00.000Z', 'at closing, not at the next opening')
  t.equal(due(OFFICE, '2026-01-09T15:00:00.250Z', 3600), '2026-01-12T08:00:00.250Z')
  t.equal(due(OFFICE, '2026-01-10T12:00:00Z', 1), '2026-01-12T08:00:01.000Z')
  t.equal(due(OFFICE, '2026-01-09T14:00:00Z', 40 * 3600), '2026-01-16T14:00:00.000Z')
})

t.test('a target of nothing is due at once, open or closed', async t => {
  t.equal(due(OFFICE, '2026-01-10T12:00:00.123Z', 0), '2026-01-10T12:00:00.123Z')
})

t.test('open seconds keep their milliseconds', async t => {
  const [from, to] = [new Date('2026-01-09T15:59:59.001Z'), new Date('2026-01-12T08:00:00.500Z')]
  t.equal(openMilliseconds(OFFICE, from, to), 1499)
  t.equal(openSeconds(OFFICE, from, to), 1.499)
})

t.test('a calendar that is always open counts every second, on the days of a time change too', async t => {
  const always = alwaysOpen('Europe/Berlin')
  t.ok(compileCalendar(always).always_open)
  t.equal(due(always, '2026-03-28T23:00:00Z', DAY), '2026-03-29T23:00:00.000Z')
  const [from, to] = [new Date('2026-10-01T00:00Z'), new Date('2026-11-01T00:00Z')]
  t.equal(openSeconds(always, from, to), 31 * DAY)
  t.equal(openSeconds(always, to, from), 0)
  t.same(openIntervals(always, from, to), [{ start: from, end: to }])
  t.same(openIntervals(always, to, from), [])
})

t.test('a calendar is always open when its hours leave out no minute of the week and nothing is a holiday', async t => {
  const always = alwaysOpen('UTC')
  const shifts = [1, 2, 3, 4, 5, 6, 7].flatMap(weekday => [
    { weekday, opens: '06:00', closes: '18:00' },
    { weekday, opens: '18:00', closes: '06:00' },
  ])
  t.ok(compileCalendar({ ...always, weekly: shifts }).always_open)
  t.notOk(compileCalendar({ ...always, weekly: shifts.slice(1) }).always_open)
  t.notOk(compileCalendar({ ...always, weekly: shifts.slice(0, -1) }).always_open)
  t.notOk(compileCalendar({ ...always, weekly: always.weekly.slice(0, -1) }).always_open)
  t.notOk(compileCalendar({ ...always, holidays: [{ date: '12-25' }] }).always_open)
})

t.test('a compiled calendar answers the same however many weeks it has seen', async t => {
  const compiled = compileCalendar(OFFICE)
  const start = new Date('2026-01-09T15:00Z')
  const first = dueAt(compiled, start, 7200)
  const fiveYears = openSeconds(compiled, start, new Date('2031-01-09T15:00Z'))
  t.same(dueAt(compiled, start, 7200), first)
  t.same(dueAt(compiled, start, fiveYears), new Date('2031-01-09T15:00Z'))
})

t.test('hours before 1970 count like any others', async t => {
  t.equal(due(OFFICE, '1969-12-24T15:00Z', 2 * 3600), '1969-12-25T09:00:00.000Z')
})

t.test('a calendar that is never open is refused', async t => {
  t.equal(
    refusal(() => validateCalendar({ ...OFFICE, weekly: [] })),
    'calendar_never_open',
  )
  const holidays = everyDate().map(date => ({ date }))
  t.equal(
    refusal(() => validateCalendar({ ...OFFICE, holidays })),
    'calendar_never_open',
  )
  t.equal(
    refusal(() => validateCalendar({ ...OFFICE, weekly: [MONDAY], holidays: holidays.slice(1) })),
    'accepted',
  )
})

t.test('dated holidays end some day: they close no calendar for ever', async t => {
  const holidays = Array.from({ length: 11 }, (_, year) =>
    everyDate().map(date => ({ date: `${2024 + year}-${date}` })),
  )
    .flat()
    .filter(({ date }) => date.endsWith('-02-29') === false || Number(date.slice(0, 4)) % 4 === 0)
  const calendar = { ...OFFICE, holidays }
  t.equal(
    refusal(() => validateCalendar(calendar)),
    'accepted',
  )
  t.equal(
    refusal(() => dueAt(calendar, new Date('2024-01-01T00:00Z'), 60)),
    'due_beyond_ten_years',
  )
})

t.test('a due date beyond ten years is refused', async t => {
  const start = new Date('2026-01-09T15:00Z')
  const always = alwaysOpen('UTC')
  t.same(dueAt(always, start, 3653 * DAY), new Date('2036-01-10T15:00Z'))
  t.equal(
    refusal(() => dueAt(always, start, 3653 * DAY + 1)),
    'due_beyond_ten_years',
  )
  t.equal(
    refusal(() => dueAt(OFFICE, start, 3653 * DAY + 1)),
    'due_beyond_ten_years',
  )
  t.equal(
    refusal(() => dueAt(OFFICE, start, 1000 * DAY)),
    'due_beyond_ten_years',
  )
  t.equal(
    refusal(() => dueAt(always, start, Number.MAX_SAFE_INTEGER)),
    'due_beyond_ten_years',
  )
})

t.test('a target is a whole number of seconds', async t => {
  for (const target of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])
    t.equal(
      refusal(() => dueAt(OFFICE, new Date(0), target)),
      'invalid_target',
    )
})

t.test('an invalid date is a bug of the caller, not a time without open hours', async t => {
  const invalid = new Date('yesterday')
  t.throws(() => dueAt(OFFICE, invalid, 60), RangeError)
  t.throws(() => openSeconds(OFFICE, new Date(0), invalid), RangeError)
})

t.test('a zone is an IANA name, aliases included', async t => {
  t.equal(canonicalTimeZone('europe/berlin'), 'Europe/Berlin')
  t.equal(canonicalTimeZone('US/Pacific'), 'America/Los_Angeles')
  t.equal(canonicalTimeZone('Asia/Kolkata'), canonicalTimeZone('Asia/Calcutta'))
  t.equal(canonicalTimeZone('UTC'), 'UTC')
  t.equal(compileCalendar({ ...OFFICE, time_zone: 'EUROPE/KYIV' }).time_zone, canonicalTimeZone('Europe/Kiev'))
  for (const name of ['FOO+99', '+05:00', '', 'Mars/Phobos', 'UTC+3', 'Z', 'IST', 'PST', 'Europe/Berlin '])
    t.equal(
      refusal(() => validateCalendar({ ...OFFICE, time_zone: name })),
      'unknown_time_zone',
      name,
    )
})

t.test('weekly hours are refused with their place when they are no hours', async t => {
  const wrong = [{ weekday: 0 }, { weekday: 8 }, { weekday: 1.5 }, { opens: '24:00' }, { opens: '9:00' }]
  const more = [{ closes: '24:01' }, { closes: '17:60' }, { closes: '17:00:00' }, { opens: '' }, { closes: '25:00' }]
  for (const change of [...wrong, ...more]) {
    const calendar = { ...OFFICE, weekly: [MONDAY, { ...MONDAY, ...change }] }
    t.equal(
      refusal(() => validateCalendar(calendar)),
      'invalid_interval',
      JSON.stringify(change),
    )
    t.throws(() => validateCalendar(calendar), { message: /^weekly\[1\]: / })
  }
})

t.test('a holiday is refused with its place when it is no date or its hours are not within one', async t => {
  const dates = ['2026-02-29', '02-30', '2026-13-01', '26-01-01', '2026-1-1', '1-1', '', '00-10', 'christmas']
  const hours = [
    { closed_from: '10:00' },
    { closed_until: '10:00' },
    { closed_from: '10:00', closed_until: '10:00' },
    { closed_from: '22:00', closed_until: '06:00' },
    { closed_from: 'ten', closed_until: '12:00' },
  ]
  for (const holiday of [...dates.map(date => ({ date })), ...hours.map(range => ({ date: '12-24', ...range }))]) {
    const calendar = { ...OFFICE, holidays: [{ date: '2028-02-29' }, holiday] }
    t.equal(
      refusal(() => validateCalendar(calendar)),
      'invalid_holiday',
      JSON.stringify(holiday),
    )
    t.throws(() => validateCalendar(calendar), { message: /^holidays\[1\]: / })
  }
})
