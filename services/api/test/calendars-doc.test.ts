import { readFileSync } from 'node:fs'
import { HOLIDAY_SKIP_REASONS, HOLIDAY_TYPES } from '@parley/contracts'
import { has } from '@parley/testing'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { type Json, testApi } from './helper.ts'

const page = readFileSync(new URL('../../../docs/calendars.md', import.meta.url), 'utf8')

t.test('the requests of the page about calendars are answered as it says', async t => {
  const api = await testApi(t)
  api.clock.now = new Date('2026-11-28T10:00:00Z')
  const values: Record<string, string> = {}
  const after = {
    'POST /v1/calendars': (answer: Json) => {
      values.calendar_id = answer.id
    },
  }
  const answers = await follow(t, api, page, values, {}, after)
  const [, preview, renamed, versions, listed, tried, added, ical, imported] = answers
  has(t, preview.due, { local: '2027-03-23T09:30:00+01:00' })
  t.same(
    preview.intervals.map(({ start }: Json) => start.local),
    [
      '2027-03-22T08:00:00+01:00',
      '2027-03-23T08:00:00+01:00',
      '2027-03-29T08:00:00+02:00',
      '2027-03-30T08:00:00+02:00',
    ],
  )
  has(t, renamed, { name: 'Berlin office', version: 2 })
  t.same(
    versions.data.map(({ version, name }: Json) => [version, name]),
    [
      [2, 'Berlin office'],
      [1, 'Berlin'],
    ],
  )
  has(t, listed.data[0], { holiday: { date: '2027-01-01', name: 'Neujahr' }, type: 'public', substitute: false })
  t.same(tried.added, added.added)
  has(t, added, { dry_run: false, calendar: { version: 3 } })
  t.same(
    added.present.map(({ date }: Json) => date),
    ['2027-12-25', '2028-12-25'],
  )
  has(t, ical, {
    added: [{ date: '12-24' }, { date: '2027-01-11', closed_from: '15:00', closed_until: '17:00' }],
    skipped: [{ name: 'Reminder', reason: 'free' }],
    calendar: { version: 4 },
  })
  has(t, imported.data, [{ name: 'London', result: 'created', id: null }])
})

t.test('the page names every type of holiday, and every reason for which an event is skipped', async t => {
  for (const type of HOLIDAY_TYPES) t.ok(page.includes(`\`${type}\``), type)
  for (const reason of HOLIDAY_SKIP_REASONS) t.ok(page.includes(`| \`${reason}\` |`), reason)
})
