import { has } from '@parley/testing'
import t from 'tap'
import { addKey, type Json, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
api.clock.now = new Date('2026-11-28T10:00:00Z')
const lead = await addKey(api.db, api.ours.workspace_id, 'lead')
const asLead = { authorization: `Bearer ${lead.key}` }
const post = (path: string, body: Json) => api.call('POST', `/v1/${path}`, body, asLead)

const weekly = [1, 2, 3, 4, 5].map(weekday => ({ weekday, opens: '09:00', closes: '17:00' }))
const OFFICE = { time_zone: 'Europe/Berlin', weekly, holidays: [] }
let named = 0
const add = async (definition: Json = OFFICE): Promise<Json> => {
  named += 1
  return (await post('calendars', { name: `Hours ${named}`, definition })).body
}
const versionsOf = async (id: string) => (await api.call('GET', `/v1/calendars/${id}/versions`)).body.data as Json[]

const ical = (...events: string[][]) =>
  ['BEGIN:VCALENDAR', ...events.flatMap(lines => ['BEGIN:VEVENT', ...lines, 'END:VEVENT']), 'END:VCALENDAR'].join(
    '\r\n',
  )

t.test('the holidays of a country are listed as hours take them', async t => {
  const { status, body } = await api.call(
    'GET',
    '/v1/holidays?country=DE&region=BE&year=2027&language=de',
    undefined,
    asLead,
  )
  t.equal(status, 200)
  t.equal(body.data.length, 10)
  t.same(body.data[1], {
    holiday: { date: '2027-03-08', name: 'Internationaler Frauentag' },
    type: 'public',
    substitute: false,
    note: null,
  })
  t.match(body.attribution, /CC BY-SA 3\.0/)
  const { holidays } = await add({ ...OFFICE, holidays: body.data.map(({ holiday }: Json) => holiday) }).then(
    ({ definition }) => definition,
  )
  t.equal(holidays.length, 10)
  const banks = await api.call('GET', '/v1/holidays?country=JP&year=2026&types=bank&types=public')
  t.same(new Set(banks.body.data.map(({ type }: Json) => type)), new Set(['bank', 'public']))
  const refused = await api.call('GET', '/v1/holidays?country=DE&region=XX&year=2027')
  isProblem(t, refused, 422, 'validation-failed', 'a region')
  has(t, refused.body, { known: { BE: 'Berlin' }, errors: [{ pointer: '/region' }] })
  isProblem(t, await api.call('GET', '/v1/holidays?country=XX&year=2027'), 422, 'validation-failed', 'a country')
  isProblem(t, await api.call('GET', '/v1/holidays?country=DE&year=2081'), 422, 'validation-failed', 'a year')
})

t.test('holidays are put into a calendar as its next version, once', async t => {
  const { id } = await add({ ...OFFICE, holidays: [{ date: '12-25', name: 'Christmas' }] })
  const question = { country: 'DE', region: 'BE', years: [2027, 2028], language: 'en' }
  const tried = await post(`calendars/${id}/holidays/import`, { ...question, dry_run: true })
  has(t, tried.body, { dry_run: true, calendar: { version: 1 }, skipped: [] })
  // In 2028 Berlin has one more than usual.
  t.equal(tried.body.added.length, 19)
  t.same(
    tried.body.present.map(({ date }: Json) => date),
    ['2027-12-25', '2028-12-25'],
  )
  t.equal((await versionsOf(id)).length, 1)
  const made = await post(`calendars/${id}/holidays/import`, question)
  t.same([made.status, made.headers.etag], [200, '"2"'])
  t.same(made.body.added, tried.body.added)
  t.equal(made.body.calendar.definition.holidays.length, 20)
  const again = await post(`calendars/${id}/holidays/import`, question)
  has(t, again.body, { calendar: { version: 2 }, added: [] })
  const [latest] = await versionsOf(id)
  has(t, latest, { version: 2, created_by_id: lead.user_id, definition: made.body.calendar.definition })
})

t.test('an iCalendar text is put in by the clocks of the calendar, and what is left out is told', async t => {
  const { id } = await add()
  const text = ical(
    ['DTSTART;VALUE=DATE:20201224', 'RRULE:FREQ=YEARLY', 'SUMMARY:Christmas Eve'],
    ['DTSTART;TZID=America/New_York:20270104T090000', 'DURATION:PT2H', 'SUMMARY:All hands'],
    ['DTSTART;VALUE=DATE:20270105', 'TRANSP:TRANSPARENT', 'SUMMARY:Reminder'],
  )
  const made = await post(`calendars/${id}/holidays/import`, { ical: text })
  has(t, made.body, {
    added: [
      { date: '12-24', name: 'Christmas Eve' },
      { date: '2027-01-04', name: 'All hands', closed_from: '15:00', closed_until: '17:00' },
    ],
    skipped: [{ name: 'Reminder', date: '2027-01-05', reason: 'free' }],
  })
  const escaped = ical(['DTSTART;VALUE=DATE:20270301', `DESCRIPTION:${'\u0001'.repeat(200_000)}`])
  t.equal((await post(`calendars/${id}/holidays/import`, { ical: escaped })).status, 200, '1.2 MB as JSON')
})

t.test('an import that cannot be is refused, and nothing is stored', async t => {
  const { id } = await add()
  const dates = (count: number) =>
    Array.from({ length: count }, (_, day) => [
      `DTSTART;VALUE=DATE:${new Date(Date.UTC(2027, 0, 1 + day)).toISOString().slice(0, 10).replaceAll('-', '')}`,
    ])
  await changesNothing(t, api, async () => {
    const bad = {
      'no iCalendar': { ical: 'hello' },
      'more often than once a day': {
        ical: ical(['DTSTART:20270101T000000Z', 'DURATION:PT1M', 'RRULE:FREQ=SECONDLY']),
      },
      'would have 1001': { ical: ical(...dates(1001)) },
      'would have 1826': { ical: ical(['DTSTART;VALUE=DATE:20260101', 'RRULE:FREQ=DAILY']) },
      'no holidays of XX': { country: 'XX', years: [2027] },
    }
    for (const [detail, body] of Object.entries(bad)) {
      const refused = await post(`calendars/${id}/holidays/import`, body)
      isProblem(t, refused, 422, 'validation-failed', detail)
      t.match(refused.body.detail, new RegExp(detail))
    }
    for (const body of [
      {},
      { country: 'DE' },
      { country: 'DE', years: [] },
      { country: 'DE', years: [1900] },
      { country: 'Germany', years: [2027] },
      { country: 'DE', years: [2027], types: ['party'] },
      { country: 'DE', years: [2027], ical: 'BEGIN:VCALENDAR' },
      { ical: 'BEGIN:VCALENDAR', years: [2027] },
      { ical: 'a'.repeat(1024 * 1024 + 1) },
    ])
      isProblem(
        t,
        await post(`calendars/${id}/holidays/import`, body),
        422,
        'validation-failed',
        JSON.stringify(body).slice(0, 80),
      )
    const huge = await post(`calendars/${id}/holidays/import`, { ical: 'a'.repeat(3 * 1024 * 1024) })
    isProblem(t, huge, 413, 'payload-too-large', '3 MiB')
  })
})

t.test(
  'calendars are imported by name: new ones made, those that differ in a next version, equal ones left',
  async t => {
    const [same, other] = [await add(), await add()]
    const english = { ...OFFICE, time_zone: 'Europe/London' }
    const calendars = [
      { name: same.name, definition: same.definition },
      { name: other.name, definition: english },
      { name: 'New hours', definition: english },
      { name: 'Nowhere', definition: { ...OFFICE, time_zone: 'Mars/Phobos' } },
    ]
    const results = [
      { name: same.name, result: 'unchanged', id: same.id, version: 1 },
      { name: other.name, result: 'updated', id: other.id },
      { name: 'New hours', result: 'created' },
      { name: 'Nowhere', result: 'refused', id: null, version: null },
    ]
    await changesNothing(t, api, async () => {
      const tried = await post('calendars/import', { calendars, dry_run: true })
      has(t, tried.body, { dry_run: true, data: results })
      t.match(tried.body.data[3].detail, /'Mars\/Phobos' is not an IANA time zone/)
      t.same(
        tried.body.data.map(({ version }: Json) => version),
        [1, 1, null, null],
      )
      const twice = await post('calendars/import', { calendars: [calendars[0], calendars[0]] })
      isProblem(t, twice, 422, 'validation-failed', 'a name twice')
    })
    const made = await post('calendars/import', { calendars })
    t.equal(made.status, 200, made.text)
    has(t, made.body, { dry_run: false, data: results })
    t.same(
      made.body.data.map(({ version }: Json) => version),
      [1, 2, 1, null],
    )
    has(t, (await versionsOf(other.id))[0], { version: 2, definition: english, created_by_id: lead.user_id })
    const again = await post('calendars/import', { calendars: calendars.slice(0, 3) })
    t.same([...new Set(again.body.data.map(({ result }: Json) => result))], ['unchanged'])
  },
)

t.test('what calendars are listed as is imported elsewhere', async t => {
  const { data } = (await api.call('GET', '/v1/calendars?limit=100')).body
  const calendars = data.map(({ name, definition }: Json) => ({ name, definition }))
  const theirs = { authorization: `Bearer ${api.theirs.key}` }
  const made = await api.call('POST', '/v1/calendars/import', { calendars }, theirs)
  t.same([...new Set(made.body.data.map(({ result }: Json) => result))], ['created'])
  const listed = (await api.call('GET', '/v1/calendars?limit=100', undefined, theirs)).body.data
  const byName = (all: Json[]) =>
    all.map(({ name, definition }) => ({ name, definition })).sort((a, b) => (a.name < b.name ? -1 : 1))
  t.same(byName(listed), byName(calendars))
})

t.test('a preview tells the open hours, and when a target would be due, and saves nothing', async t => {
  const definition = { ...OFFICE, holidays: [{ date: '2027-03-29', name: 'Easter Monday' }] }
  const question = { definition, from: '2027-03-26T00:00:00+01:00', to: '2027-03-31T00:00:00+02:00' }
  await changesNothing(t, api, async () => {
    const { status, body } = await post('calendars/preview', {
      ...question,
      start: '2027-03-26T15:00:00Z',
      target_seconds: 2 * 3600,
    })
    t.equal(status, 200)
    t.same(body, {
      time_zone: 'Europe/Berlin',
      open_seconds: 16 * 3600,
      intervals: [
        {
          start: { at: '2027-03-26T08:00:00.000Z', local: '2027-03-26T09:00:00+01:00' },
          end: { at: '2027-03-26T16:00:00.000Z', local: '2027-03-26T17:00:00+01:00' },
        },
        {
          start: { at: '2027-03-30T07:00:00.000Z', local: '2027-03-30T09:00:00+02:00' },
          end: { at: '2027-03-30T15:00:00.000Z', local: '2027-03-30T17:00:00+02:00' },
        },
      ],
      due: { at: '2027-03-30T08:00:00.000Z', local: '2027-03-30T10:00:00+02:00' },
    })
    t.equal((await post('calendars/preview', question)).body.due, null)
    for (const more of [
      { to: '2027-05-28T00:00:01Z' },
      { to: question.from },
      { start: question.from },
      { target_seconds: 60 },
      { definition: { ...definition, time_zone: 'Mars/Phobos' } },
      { definition: { ...definition, holidays: [{ date: '2027-02-30' }] } },
    ]) {
      const refused = await post('calendars/preview', { ...question, ...more })
      isProblem(t, refused, 422, 'validation-failed', JSON.stringify(more))
    }
  })
})
