import t from 'tap'
import { type Calendar, dueAt, type Holiday, openIntervals, openSeconds } from './calendar.ts'

const WEEKDAYS = [1, 2, 3, 4, 5]
const EVERY_DAY = [1, 2, 3, 4, 5, 6, 7]

/** 'Europe/Berlin', WEEKDAYS, '09:00-12:00 13:00-17:00' */
function calendarOf(time_zone: string, weekdays: number[], hours: string, holidays: Holiday[] = []): Calendar {
  const intervals = hours.split(' ').map(range => range.split('-') as [string, string])
  const weekly = weekdays.flatMap(weekday => intervals.map(([opens, closes]) => ({ weekday, opens, closes })))
  return { time_zone, weekly, holidays }
}

/** The open intervals as 'start/end', in UTC to the minute and with the end's date left out when it is the same. */
function intervals(calendar: Calendar, from: string, to: string): string[] {
  return openIntervals(calendar, new Date(from), new Date(to)).map(({ start, end }) => {
    const [a, b] = [start, end].map(date => date.toISOString().replace(':00.000Z', 'Z')) as [string, string]
    return `${a}/${a.slice(0, 10) === b.slice(0, 10) ? b.slice(11) : b}`
  })
}

t.test('hours are local, and open on their own weekdays only', async t => {
  const office = calendarOf('Europe/Berlin', WEEKDAYS, '09:00-17:00')
  t.same(intervals(office, '2026-01-09T00:00Z', '2026-01-13T00:00Z'), [
    '2026-01-09T08:00Z/16:00Z',
    '2026-01-12T08:00Z/16:00Z',
  ])
  t.same(intervals(calendarOf('Asia/Kolkata', [3], '09:00-17:00'), '2026-07-01T00:00Z', '2026-07-08T00:00Z'), [
    '2026-07-01T03:30Z/11:30Z',
  ])
})

t.test('several intervals a day count one by one, overlapping and touching ones once', async t => {
  const calendar = calendarOf('UTC', [5], '13:00-17:00 08:00-12:00 16:00-18:00 18:00-19:00 14:00-15:00')
  t.same(intervals(calendar, '2026-01-09T00:00Z', '2026-01-10T00:00Z'), [
    '2026-01-09T08:00Z/12:00Z',
    '2026-01-09T13:00Z/19:00Z',
  ])
})

t.test('hours that close no later than they open close on the next day', async t => {
  const night = calendarOf('UTC', [5], '22:00-06:00')
  t.same(intervals(night, '2026-01-09T00:00Z', '2026-01-16T00:00Z'), ['2026-01-09T22:00Z/2026-01-10T06:00Z'])
  const sunday = calendarOf('UTC', [7], '08:00-08:00')
  t.same(intervals(sunday, '2026-01-11T00:00Z', '2026-01-18T00:00Z'), ['2026-01-11T08:00Z/2026-01-12T08:00Z'])
  const evening = calendarOf('UTC', [5, 6], '20:00-24:00 00:00-01:00')
  t.same(intervals(evening, '2026-01-09T12:00Z', '2026-01-11T00:00Z'), [
    '2026-01-09T20:00Z/2026-01-10T01:00Z',
    '2026-01-10T20:00Z/2026-01-11T00:00Z',
  ])
})

t.test('what is open across the end of a UTC week is one interval', async t => {
  // The epoch was a Thursday, and so the weeks that are computed and kept start on Thursdays.
  const calendar = calendarOf('UTC', [3], '22:00-06:00')
  t.same(intervals(calendar, '2026-01-07T00:00Z', '2026-01-09T00:00Z'), ['2026-01-07T22:00Z/2026-01-08T06:00Z'])
})

t.test('intervals are clipped to the range asked for', async t => {
  const calendar = calendarOf('UTC', EVERY_DAY, '09:00-17:00')
  t.same(intervals(calendar, '2026-01-09T10:00Z', '2026-01-10T09:30Z'), [
    '2026-01-09T10:00Z/17:00Z',
    '2026-01-10T09:00Z/09:30Z',
  ])
  t.same(intervals(calendar, '2026-01-09T10:00Z', '2026-01-09T10:00Z'), [])
  t.same(intervals(calendar, '2026-01-10T10:00Z', '2026-01-09T10:00Z'), [])
  t.equal(openSeconds(calendar, new Date('2026-01-10T10:00Z'), new Date('2026-01-09T10:00Z')), 0)
})

t.test('a skipped local time falls on the first instant after the gap', async t => {
  // Berlin's clocks go from 02:00 to 03:00 at 01:00Z.
  const day = ['2026-03-29T00:00Z', '2026-03-29T12:00Z'] as const
  t.same(intervals(calendarOf('Europe/Berlin', [7], '02:15-04:00'), ...day), ['2026-03-29T01:00Z/02:00Z'])
  t.same(intervals(calendarOf('Europe/Berlin', [7], '01:30-02:45'), ...day), ['2026-03-29T00:30Z/01:00Z'])
  t.same(intervals(calendarOf('Europe/Berlin', [7], '02:15-02:45'), ...day), [])
  t.same(intervals(calendarOf('Europe/Berlin', [7], '03:00-04:00'), ...day), ['2026-03-29T01:00Z/02:00Z'])
  // New York: 02:00 to 03:00 at 07:00Z; Lord Howe by half an hour, 02:00 to 02:30 at 15:30Z.
  const newYork = calendarOf('America/New_York', [7], '02:30-04:00')
  t.same(intervals(newYork, '2026-03-08T00:00Z', '2026-03-09T00:00Z'), ['2026-03-08T07:00Z/08:00Z'])
  const lordHowe = calendarOf('Australia/Lord_Howe', [7], '02:15-03:00')
  t.same(intervals(lordHowe, '2026-10-03T00:00Z', '2026-10-05T00:00Z'), ['2026-10-03T15:30Z/16:00Z'])
})

t.test('a repeated local time opens at its first and closes at its second occurrence', async t => {
  // Berlin's clocks go from 03:00 back to 02:00 at 01:00Z.
  const day = ['2026-10-24T20:00Z', '2026-10-25T12:00Z'] as const
  t.same(intervals(calendarOf('Europe/Berlin', [7], '02:15-04:00'), ...day), ['2026-10-25T00:15Z/03:00Z'])
  t.same(intervals(calendarOf('Europe/Berlin', [7], '01:00-02:45'), ...day), ['2026-10-24T23:00Z/2026-10-25T01:45Z'])
  t.same(intervals(calendarOf('Europe/Berlin', [7], '02:15-02:45'), ...day), ['2026-10-25T00:15Z/01:45Z'])
  t.same(intervals(calendarOf('Europe/Berlin', [7], '01:30-02:00'), ...day), ['2026-10-24T23:30Z/2026-10-25T01:00Z'])
  t.same(intervals(calendarOf('Europe/Berlin', [7], '03:00-04:00'), ...day), ['2026-10-25T02:00Z/03:00Z'])
  const newYork = calendarOf('America/New_York', [7], '01:30-01:45')
  t.same(intervals(newYork, '2026-11-01T00:00Z', '2026-11-02T00:00Z'), ['2026-11-01T05:30Z/06:45Z'])
  const lordHowe = calendarOf('Australia/Lord_Howe', [7], '01:45-03:00')
  t.same(intervals(lordHowe, '2026-04-04T00:00Z', '2026-04-06T00:00Z'), ['2026-04-04T14:45Z/16:30Z'])
})

t.test('a night shift lasts an hour less in spring and an hour more in autumn', async t => {
  const night = calendarOf('Europe/Berlin', [6], '22:00-06:00')
  const hours = (from: string, to: string) => openSeconds(night, new Date(from), new Date(to)) / 3600
  t.equal(hours('2026-03-28T12:00Z', '2026-03-29T12:00Z'), 7)
  t.equal(hours('2026-10-24T12:00Z', '2026-10-25T12:00Z'), 9)
  t.equal(hours('2026-06-27T12:00Z', '2026-06-28T12:00Z'), 8)
})

t.test('a zone without summer time keeps its hours all year', async t => {
  const tokyo = calendarOf('Asia/Tokyo', [7], '02:00-03:00')
  t.same(intervals(tokyo, '2026-03-28T12:00Z', '2026-03-29T12:00Z'), ['2026-03-28T17:00Z/18:00Z'])
  t.same(intervals(tokyo, '2026-10-24T12:00Z', '2026-10-25T12:00Z'), ['2026-10-24T17:00Z/18:00Z'])
})

t.test('a date that a zone skips has no hours, and the night before it ends with it', async t => {
  // Apia had no Friday 30 December 2011: at 10:00Z Thursday became Saturday.
  const days = ['2011-12-29T00:00Z', '2012-01-01T00:00Z'] as const
  t.same(intervals(calendarOf('Pacific/Apia', [5], '09:00-17:00'), ...days), [])
  t.same(intervals(calendarOf('Pacific/Apia', [4, 6], '09:00-17:00'), ...days), [
    '2011-12-29T19:00Z/2011-12-30T03:00Z',
    '2011-12-30T19:00Z/2011-12-31T03:00Z',
  ])
  t.same(intervals(calendarOf('Pacific/Apia', [4], '22:00-06:00'), ...days), ['2011-12-30T08:00Z/10:00Z'])
  const long = calendarOf('Pacific/Apia', EVERY_DAY, '00:00-23:00')
  t.same(dueAt(long, new Date('2011-12-30T08:00Z'), 7200), new Date('2011-12-30T11:00Z'))
})

t.test('a whole-day holiday removes the hours of its own date, whichever day they opened on', async t => {
  const night = calendarOf('UTC', EVERY_DAY, '22:00-06:00', [{ date: '2026-01-10', name: 'Founding day' }])
  t.same(intervals(night, '2026-01-09T12:00Z', '2026-01-11T12:00Z'), [
    '2026-01-09T22:00Z/2026-01-10T00:00Z',
    '2026-01-11T00:00Z/06:00Z',
  ])
})

t.test('a holiday of some hours removes those, and several on one date remove theirs', async t => {
  const holidays = [
    { date: '2026-12-24', closed_from: '14:00', closed_until: '24:00' },
    { date: '12-24', closed_from: '10:00', closed_until: '10:30' },
    { date: '12-25', closed_from: '00:00', closed_until: '12:00' },
  ]
  const calendar = calendarOf('Europe/Berlin', EVERY_DAY, '09:00-17:00', holidays)
  t.same(intervals(calendar, '2026-12-24T00:00Z', '2026-12-26T00:00Z'), [
    '2026-12-24T08:00Z/09:00Z',
    '2026-12-24T09:30Z/13:00Z',
    '2026-12-25T11:00Z/16:00Z',
  ])
})

t.test('a holiday without a year returns each year, 29 February in leap years', async t => {
  const calendar = calendarOf('UTC', EVERY_DAY, '09:00-10:00', [{ date: '12-25' }, { date: '02-29' }])
  for (const year of [2026, 2027])
    t.same(intervals(calendar, `${year}-12-25T00:00Z`, `${year}-12-27T00:00Z`), [`${year}-12-26T09:00Z/10:00Z`])
  t.same(intervals(calendar, '2028-02-29T00:00Z', '2028-03-02T00:00Z'), ['2028-03-01T09:00Z/10:00Z'])
  t.same(intervals(calendar, '2026-02-28T12:00Z', '2026-03-02T00:00Z'), ['2026-03-01T09:00Z/10:00Z'])
})

t.test('the hours of a holiday follow the rules of the gap and of the repeated hour', async t => {
  const holidays = [
    { date: '2026-03-29', closed_from: '02:15', closed_until: '03:30' },
    { date: '2026-10-25', closed_from: '02:15', closed_until: '02:45' },
  ]
  const calendar = calendarOf('Europe/Berlin', [7], '00:00-05:00', holidays)
  t.same(intervals(calendar, '2026-03-28T12:00Z', '2026-03-29T12:00Z'), [
    '2026-03-28T23:00Z/2026-03-29T01:00Z',
    '2026-03-29T01:30Z/03:00Z',
  ])
  t.same(intervals(calendar, '2026-10-24T12:00Z', '2026-10-25T12:00Z'), [
    '2026-10-24T22:00Z/2026-10-25T00:15Z',
    '2026-10-25T01:45Z/04:00Z',
  ])
})

t.test('a whole-day holiday leaves nothing open on its date, even where midnight repeats', async t => {
  // In the Azores 01:00 goes back to 00:00 at 01:00Z: the date begins an hour before its second midnight.
  const calendar = calendarOf('Atlantic/Azores', EVERY_DAY, '00:00-24:00', [{ date: '2026-10-25' }])
  t.same(intervals(calendar, '2026-10-24T12:00Z', '2026-10-26T12:00Z'), [
    '2026-10-24T12:00Z/2026-10-25T00:00Z',
    '2026-10-26T01:00Z/12:00Z',
  ])
})
