import type { Holiday } from '@parley/domain'
import t, { type Test } from 'tap'
import { holidaysOfIcal } from '../holiday-sources.ts'

const NOW = new Date('2026-11-28T10:00:00Z')

const event = (...lines: string[]) => ['BEGIN:VEVENT', ...lines, 'END:VEVENT'].join('\r\n')
const calendar = (...parts: string[]) =>
  ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:test', ...parts, 'END:VCALENDAR', ''].join('\r\n')

const read = (text: string) => holidaysOfIcal(text, NOW, () => performance.now())

/** '12-24 14:00-24:00 Christmas Eve' */
const shown = ({ date, closed_from, closed_until, name }: Holiday) =>
  [date, closed_from && `${closed_from}-${closed_until}`, name].filter(Boolean).join(' ')

async function holidays(text: string, zone = 'Europe/Berlin'): Promise<string[]> {
  return (await read(text)).holidaysIn(zone).map(shown)
}
async function skipped(...parts: string[]) {
  return (await read(calendar(...parts))).skipped
}

t.test('a date is closed, and several days are as many dates', async t => {
  const found = await holidays(
    calendar(
      event('DTSTART;VALUE=DATE:20270104', 'SUMMARY:Stock taking'),
      event('DTSTART;VALUE=DATE:20271224', 'DTEND;VALUE=DATE:20271227', 'SUMMARY:Christmas\\, all of it'),
      event('DTSTART;VALUE=DATE:20280228', 'DURATION:P2D'),
    ),
  )
  t.same(found, [
    '2027-01-04 Stock taking',
    ...['2027-12-24', '2027-12-25', '2027-12-26'].map(date => `${date} Christmas, all of it`),
    ...['2028-02-28', '2028-02-29'],
  ])
})

t.test('lines that are folded, end with LF or begin with a mark of their bytes are read', async t => {
  const text = calendar(event('DTSTART;VALUE=DATE:20270104', 'SUMMARY:Stock', ' taking', 'X-ALT-DESC:<p>'))
  t.same(await holidays(`\ufeff${text.replaceAll('\r\n', '\n').replace('SUMMARY:Stock\n ', 'SUMMARY:Sto\n ck')}`), [
    '2027-01-04 Stocktaking',
  ])
})

t.test('times become hours of the local dates of the calendar, whatever they are written in', async t => {
  const berlin = event('DTSTART;TZID=Europe/Berlin:20270104T140000', 'DTEND;TZID=Europe/Berlin:20270104T153000')
  t.same(await holidays(calendar(berlin)), ['2027-01-04 14:00-15:30'])
  t.same(await holidays(calendar(berlin), 'America/New_York'), ['2027-01-04 08:00-09:30'])
  const utc = event('DTSTART:20270704T220000Z', 'DTEND:20270706T013000Z')
  t.same(await holidays(calendar(utc)), ['2027-07-05', '2027-07-06 00:00-03:30'])
  t.same(await holidays(calendar(utc), 'Asia/Kathmandu'), ['2027-07-05 03:45-24:00', '2027-07-06 00:00-07:15'])
  const floating = event('DTSTART:20270704T220000', 'DURATION:PT3H')
  for (const zone of ['Europe/Berlin', 'Asia/Kathmandu'])
    t.same(await holidays(calendar(floating), zone), ['2027-07-04 22:00-24:00', '2027-07-05 00:00-01:00'])
  const flight = event('DTSTART;TZID=Europe/Berlin:20270704T100000', 'DTEND;TZID=America/New_York:20270704T100000')
  t.same(await holidays(calendar(flight)), ['2027-07-04 10:00-16:00'])
  const seconds = event('DTSTART:20270104T140030', 'DTEND:20270104T140031')
  t.same(await holidays(calendar(seconds)), ['2027-01-04 14:00-14:01'])
})

t.test('clocks that are set back during an event leave none of it open', async t => {
  const night = event('DTSTART:20271031T003000Z', 'DTEND:20271031T011500Z')
  t.same(await holidays(calendar(night)), ['2027-10-31 02:15-02:30'], 'shown from 02:30 to 02:15')
})

const OUTLOOK = [
  'BEGIN:VTIMEZONE',
  'TZID:W. Europe Standard Time',
  ...['BEGIN:STANDARD', 'DTSTART:16010101T030000', 'TZOFFSETFROM:+0200', 'TZOFFSETTO:+0100'],
  ...['RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10', 'END:STANDARD'],
  ...['BEGIN:DAYLIGHT', 'DTSTART:16010101T020000', 'TZOFFSETFROM:+0100', 'TZOFFSETTO:+0200'],
  ...['RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3', 'END:DAYLIGHT'],
  'END:VTIMEZONE',
].join('\r\n')

t.test('a zone of no IANA name is read from its own rules', async t => {
  const at = (date: string) => {
    const zone = 'TZID="W. Europe Standard Time"'
    return event(`DTSTART;${zone}:${date}T120000`, `DTEND;${zone}:${date}T130000`)
  }
  const text = calendar(OUTLOOK, at('20270104'), at('20270704'), at('20270328'), at('20270327'), at('20271031'))
  t.same(await holidays(text, 'UTC'), [
    '2027-01-04 11:00-12:00',
    '2027-07-04 10:00-11:00',
    '2027-03-28 10:00-11:00',
    '2027-03-27 11:00-12:00',
    '2027-10-31 11:00-12:00',
  ])
  const fixed = ['BEGIN:VTIMEZONE', 'TZID:Ours', 'BEGIN:STANDARD', 'DTSTART:19700101T000000', 'TZOFFSETFROM:-0430']
  const ours = [...fixed, 'TZOFFSETTO:-0430', 'END:STANDARD', 'END:VTIMEZONE'].join('\r\n')
  const late = event('DTSTART;TZID=Ours:20270104T200000', 'DURATION:PT1H')
  t.same(await holidays(calendar(ours, late), 'UTC'), ['2027-01-05 00:30-01:30'])
})

t.test('a zone is also known by the place that it gives, or behind the name of who wrote it', async t => {
  const placed = ['BEGIN:VTIMEZONE', 'TZID:Home', 'X-LIC-LOCATION:Europe/Berlin', 'END:VTIMEZONE'].join('\r\n')
  for (const tzid of ['Home', '/citadel.org/20210210_1/Europe/Berlin', 'europe/berlin']) {
    const one = event(`DTSTART;TZID=${tzid}:20270704T100000`, 'DURATION:PT1H')
    t.same(await holidays(calendar(placed, one), 'UTC'), ['2027-07-04 08:00-09:00'], tzid)
  }
})

t.test('what returns on a date each year is a holiday of every year', async t => {
  const yearly = (start: string, ...rules: string[]) => event(`DTSTART;VALUE=DATE:${start}`, ...rules)
  t.same(
    await holidays(
      calendar(
        yearly('20201224', 'RRULE:FREQ=YEARLY', 'SUMMARY:Christmas Eve'),
        yearly('20201231', 'RRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=31', 'DTEND;VALUE=DATE:20210102'),
        yearly('20240229', 'RRULE:FREQ=YEARLY;INTERVAL=1;WKST=MO'),
      ),
    ),
    ['12-24 Christmas Eve', '12-31', '01-01', '02-29'],
  )
  const hours = event('DTSTART;TZID=Europe/Berlin:20201224T140000', 'DURATION:PT10H', 'RRULE:FREQ=YEARLY')
  t.same(await holidays(calendar(hours)), ['12-24 14:00-24:00'])
  const elsewhere = await holidays(calendar(hours), 'Asia/Kolkata')
  t.same(elsewhere.slice(0, 2), ['2026-12-24 18:30-24:00', '2026-12-25 00:00-04:30'])
  t.equal(elsewhere.length, 10)
})

t.test('a yearly date that has not begun, ends, leaves one out or crosses a leap day comes as dates', async t => {
  const yearly = (start: string, ...more: string[]) => calendar(event(`DTSTART;VALUE=DATE:${start}`, ...more))
  const every = 'RRULE:FREQ=YEARLY'
  t.same(await holidays(yearly('20290101', every)), ['2029-01-01', '2030-01-01'])
  t.same(await holidays(yearly('20260101', `${every};COUNT=2`)), ['2026-01-01', '2027-01-01'])
  t.same(await holidays(yearly('20260101', `${every};UNTIL=20280101`)), ['2026-01-01', '2027-01-01', '2028-01-01'])
  t.same(await holidays(yearly('20240101', `${every};INTERVAL=3`)), ['2027-01-01', '2030-01-01'])
  const without = await holidays(yearly('20200101', every, 'EXDATE;VALUE=DATE:20270101,20290101'))
  t.same(without, ['2026-01-01', '2028-01-01', '2030-01-01'])
  const leap = await holidays(yearly('20260228', every, 'DURATION:P2D'))
  t.same(leap.slice(0, 6), ['2026-02-28', '2026-03-01', '2027-02-28', '2027-03-01', '2028-02-28', '2028-02-29'])
  t.same((await holidays(yearly('20260105', `${every};BYMONTHDAY=5`))).length, 60, 'the fifth of every month')
  t.same(await holidays(yearly('20160229', `${every};BYMONTH=2;BYMONTHDAY=29;COUNT=4`)), ['2028-02-29'])
})

t.test('other recurrences are worked out for this year and the next four', async t => {
  const thanksgiving = event('DTSTART;VALUE=DATE:20001123', 'RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH')
  const dates = ['2026-11-26', '2027-11-25', '2028-11-23', '2029-11-22', '2030-11-28']
  t.same(await holidays(calendar(thanksgiving)), dates)
  const fridays = event(
    'DTSTART;TZID=Europe/Berlin:20270305T150000',
    'DTEND;TZID=Europe/Berlin:20270305T170000',
    // 15:00 in summer: this one is the last.
    'RRULE:FREQ=WEEKLY;BYDAY=FR;UNTIL=20270402T130000Z',
    'EXDATE;TZID=Europe/Berlin:20270312T150000',
    'EXDATE;VALUE=DATE:20270319',
    'RDATE:20270310T080000Z',
  )
  t.same(await holidays(calendar(fridays)), [
    '2027-03-05 15:00-17:00',
    '2027-03-26 15:00-17:00',
    '2027-04-02 15:00-17:00',
    '2027-03-10 09:00-11:00',
  ])
  const third = event('DTSTART;VALUE=DATE:20270104', 'RRULE:FREQ=DAILY;COUNT=6', 'EXRULE:FREQ=DAILY;INTERVAL=2')
  t.same(await holidays(calendar(third)), ['2027-01-05', '2027-01-07', '2027-01-09'])
  const listed = event('DTSTART;VALUE=DATE:20270104', 'RDATE;VALUE=DATE:20270201,20270301')
  t.same(await holidays(calendar(listed)), ['2027-01-04', '2027-02-01', '2027-03-01'])
  const period = event('DTSTART:20270104T090000', 'DURATION:PT1H', 'RDATE;VALUE=PERIOD:20270201T090000/PT1H')
  t.same(await holidays(calendar(period)), ['2027-01-04 09:00-10:00', '2027-02-01 09:00-10:00'])
})

t.test('an occurrence that is moved, renamed or called off is so', async t => {
  const found = await read(
    calendar(
      event('UID:a', 'DTSTART;VALUE=DATE:20200501', 'RRULE:FREQ=YEARLY', 'SUMMARY:Outing'),
      event('UID:a', 'DTSTART;VALUE=DATE:20270510', 'RECURRENCE-ID;VALUE=DATE:20270501', 'SUMMARY:Late outing'),
      event('UID:a', 'DTSTART;VALUE=DATE:20280501', 'RECURRENCE-ID;VALUE=DATE:20280501', 'STATUS:CANCELLED'),
      event('UID:b', 'DTSTART:20260105T090000', 'DURATION:PT1H', 'RRULE:FREQ=WEEKLY;COUNT=2'),
      event('UID:b', 'DTSTART:20260112T110000', 'DURATION:PT1H', 'RECURRENCE-ID:20260112T090000'),
    ),
  )
  t.same(found.holidaysIn('Europe/Berlin').map(shown), [
    ...['2026-05-01 Outing', '2029-05-01 Outing', '2030-05-01 Outing'],
    '2027-05-10 Late outing',
    ...['2026-01-05 09:00-10:00', '2026-01-12 11:00-12:00'],
  ])
  t.same(found.skipped, [{ name: null, date: '2028-05-01', reason: 'cancelled' }])
})

t.test('what closes nothing is skipped, and why is told', async t => {
  const day = 'DTSTART;VALUE=DATE:20270104'
  t.same(
    await skipped(
      event(day, 'STATUS:CANCELLED', 'SUMMARY:Fair'),
      event(day, 'TRANSP:TRANSPARENT'),
      event('DTSTART;VALUE=DATE:20251231'),
      event('DTSTART;VALUE=DATE:20200101', 'RRULE:FREQ=YEARLY;COUNT=3'),
      event('DTSTART;VALUE=DATE:20310101', 'RRULE:FREQ=MONTHLY'),
      event('DTSTART:20270104T090000'),
      event('DTSTART:20270104T090000', 'DTEND:20270104T080000'),
      event('DTSTART;TZID=Mars/Phobos:20270104T090000', 'DURATION:PT1H'),
      event('DTSTART:20270132T090000', 'DURATION:PT1H'),
      event('SUMMARY:Some day'),
      event(day, 'DTEND:20270105T100000Z'),
      event(day, 'RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20270101'),
    ),
    [
      { name: 'Fair', date: '2027-01-04', reason: 'cancelled' },
      { name: null, date: '2027-01-04', reason: 'free' },
      { name: null, date: '2025-12-31', reason: 'over' },
      { name: null, date: '2020-01-01', reason: 'over' },
      { name: null, date: '2031-01-01', reason: 'later' },
      { name: null, date: '2027-01-04', reason: 'no_length' },
      { name: null, date: '2027-01-04', reason: 'no_length' },
      { name: null, date: null, reason: 'unknown_time_zone' },
      { name: null, date: null, reason: 'unreadable' },
      { name: 'Some day', date: null, reason: 'unreadable' },
      { name: null, date: '2027-01-04', reason: 'unreadable' },
      { name: null, date: '2027-01-04', reason: 'range_unsupported' },
    ].sort((a, b) => order(a.reason) - order(b.reason)),
  )
})
// What cannot be read is found first, the rest when the others are known.
const order = (reason: string) => (/^un/.test(reason) ? 0 : 1)

t.test('names are kept as names are: composed, on one line, within their length', async t => {
  const summary = `SUMMARY:${'\u00e9'.repeat(150)}`
  const [long] = (await read(calendar(event('DTSTART;VALUE=DATE:20270104', summary)))).holidaysIn('UTC')
  t.equal(long!.name, '\u00e9'.repeat(100))
  const faces = event('DTSTART;VALUE=DATE:20270104', `SUMMARY:a${'\u{1f600}'.repeat(80)}`)
  t.same(await holidays(calendar(faces)), [`2027-01-04 a${'\u{1f600}'.repeat(49)}`])
  const lines = event('DTSTART;VALUE=DATE:20270104', 'SUMMARY:One\\nTwo\u0000 e\u0301')
  t.same(await holidays(calendar(lines)), ['2027-01-04 One Two \u00e9'])
  t.same(await holidays(calendar(event('DTSTART;VALUE=DATE:20270104', 'SUMMARY: \u200b '))), ['2027-01-04'])
})

const refuses = async (t: Test, text: string, detail: RegExp) => {
  const start = performance.now()
  await t.rejects(read(text), { code: 'validation_failed', message: detail }, text.slice(0, 100))
  // The longest takes five seconds; the machine may be busy.
  t.ok(performance.now() - start < 15_000)
}

t.test('what is no calendar, or has nothing in it, is refused', async t => {
  await refuses(t, 'hello', /no iCalendar/)
  await refuses(t, '<html>', /no iCalendar/)
  await refuses(t, calendar(), /no events/)
  await refuses(t, calendar(event('DTSTART;VALUE=DATE:20270104')).replace('END:VCALENDAR', ''), /no iCalendar/)
  await refuses(t, calendar(event('DTSTART;VALUE=DATE:20270104', 'RRULE:FREQ=YEARLY;BYMONTH=13')), /no iCalendar/)
  await refuses(t, calendar(event('DTSTART;VALUE=DATE:20270104').repeat(2001)), /no iCalendar|2001 events/)
  await refuses(t, calendar(...Array.from({ length: 2001 }, () => event('DTSTART;VALUE=DATE:20270104'))), /2001 events/)
  await refuses(t, calendar(event(`DTSTART${';X=a'.repeat(250_000)}:20270104`)), /longer than 10000/)
})

t.test('recurrences that no holiday has, or that have no end, are refused soon', async t => {
  const rule = (text: string, start = '20270101') => calendar(event(`DTSTART;VALUE=DATE:${start}`, `RRULE:${text}`))
  await refuses(t, rule('FREQ=SECONDLY'), /more often than once a day \(FREQ=SECONDLY\)/)
  await refuses(t, rule('FREQ=MINUTELY;INTERVAL=5'), /more often/)
  await refuses(t, rule('FREQ=HOURLY;COUNT=3'), /more often/)
  await refuses(t, rule('FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=1;BYSECOND=1'), /more often/)
  await refuses(t, rule('FREQ=YEARLY;BYEASTER=0'), /BYEASTER/)
  await refuses(t, rule('FREQ=DAILY;COUNT=1000000;BYMONTH=2;BYMONTHDAY=29', '00010101'), /too long/)
  await refuses(t, rule('FREQ=YEARLY;INTERVAL=99999999999999999'), /cannot be worked out/)
  await refuses(t, calendar(event('DTSTART;VALUE=DATE:20270101', 'DURATION:P1000000D')), /more than 1000 days/)
  // Dates that there are not.
  t.same(await holidays(rule('FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30')), ['2027-01-01'])
  t.same(await holidays(rule('FREQ=DAILY;INTERVAL=7;BYDAY=MO')), ['2027-01-01'])
  t.same(await holidays(rule('FREQ=MONTHLY;BYDAY=1TH;BYSETPOS=2')), ['2027-01-01'])
  const many = Array.from({ length: 2000 }, () =>
    event('DTSTART;VALUE=DATE:00010101', 'RRULE:FREQ=DAILY;COUNT=900;BYDAY=MO'),
  )
  await refuses(t, calendar(...many), /too long/)
  const weekly = Array.from({ length: 30 }, () => event('DTSTART;VALUE=DATE:20260101', 'RRULE:FREQ=WEEKLY'))
  await refuses(t, calendar(...weekly), /more than 5000 times|too long/)
})
