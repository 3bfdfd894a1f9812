import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { breachClocks, warnClocks } from '@parley/core'
import { SLA_COHORTS, SLA_MEASURE_NAMES } from '@parley/domain'
import { has } from '@parley/testing'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { addChannel, addKey, type Json, testApi } from './helper.ts'
import { openWeek } from './report-week.ts'

const page = readFileSync(new URL('../../../docs/leads.md', import.meta.url), 'utf8')
const on = (day: number, time: string) => new Date(`2027-01-0${day}T${time}Z`)

t.test("the requests of a lead's week are answered as the page says, to somebody who is a lead", async t => {
  const api = await testApi(t)
  api.clock.now = on(4, '07:00:00')
  const channel = await addChannel(api)
  const lead = await addKey(api.db, api.ours.workspace_id, 'lead', { now: api.clock.now })
  const week = openWeek(api)
  const values: Record<string, string> = { inbox_id: api.ours.inbox_id }
  const threads: Json[] = []
  const say = async (by: string, at: Date) => threads.push(await week.say({ channel, thread: randomUUID(), by, at }))
  /** Ana is answered at once; nobody answers Ben until it is late, nor Cid at all. */
  const monday = async () => {
    await say('ana', on(4, '08:30:00'))
    await say('ben', on(4, '08:40:00'))
    await week.answer(threads[0].conversation_id, 'Zoe', on(4, '09:00:00'), 'It arrives today.')
    await say('cid', on(4, '09:50:00'))
    await week.run(trx => warnClocks(trx, on(4, '10:10:01'), 10))
    values.conversation_id = threads[1].conversation_id
    api.clock.now = on(4, '10:20:00')
    await week.count()
  }
  const evening = async () => {
    await week.run(trx => breachClocks(trx, on(4, '10:40:01'), 10))
    await week.answer(threads[1].conversation_id, 'Zoe', on(4, '11:40:00'), 'It arrives tomorrow.')
    await week.run(trx => breachClocks(trx, on(4, '11:50:01'), 10))
    api.clock.now = on(4, '17:00:00')
  }
  const friday = async () => {
    await say('dora', on(8, '15:00:00'))
    api.clock.now = on(8, '15:30:00')
    await week.count()
  }
  const before = {
    '/v1/sla/breaches?from=2027-01-04T00:00:00Z&to=2027-01-05T00:00:00Z': evening,
    '/v1/sla/summary?from=2027-01-04T00:00:00Z&to=2027-01-09T00:00:00Z&time_zone=Europe/Berlin': friday,
  }
  const after = {
    'POST /v1/calendars': (answer: Json) => {
      values.calendar_id = answer.id
    },
    'POST /v1/sla/policies': (answer: Json) => {
      values.policy_id = answer.id
    },
    'PATCH /v1/inboxes/{inbox_id}': monday,
  }
  const asLead = {
    ...api,
    call: (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
      api.call(method, path, body, { ...headers, authorization: `Bearer ${lead.key}` }),
  }
  const answers = await follow(t, asLead, page, values, before, after)
  const [, , , atRisk, forecast, breaches, sla, summary, byDay, list, , coverage, unhandled] = answers
  has(t, atRisk.data, [{ due_at: on(4, '10:40:00').toISOString(), conversation: { id: threads[1].conversation_id } }])
  has(t, forecast, { total: { waiting: 2, late: 0, arrivals: 3, answers: 1 } })
  const [inbox] = forecast.inboxes
  t.ok(inbox.breached > 1 && inbox.breached <= inbox.due, `${inbox.breached} of ${inbox.due}`)
  const [told] = inbox.text.join(' ').split(', and 3 began')
  t.ok(page.includes(`> ${told} …`), told)
  t.same(
    breaches.data.map(({ state }: Json) => state),
    ['running', 'fulfilled'],
  )
  t.match(sla.clocks[0].explanation.text.at(-1), /: 1 h of open time late[.]$/)
  has(t, summary.rows, [{ metric: 'first_response', met: 1, breached: 2, open_overdue: 1, open: 1, attainment: 1 / 3 }])
  t.same(
    byDay.rows.map(({ from, met, breached, open }: Json) => [from, met, breached, open]),
    [['2027-01-04T00:00:00.000Z', 1, 2, 0]],
    'what began on Friday afternoon falls due on Monday',
  )
  t.same(
    list.data.map(({ outcome, conversation_id }: Json) => [outcome, conversation_id]),
    [
      ['late', threads[1].conversation_id],
      ['overdue', threads[2].conversation_id],
    ],
  )
  has(t, coverage.rows, [{ messages_in: 4, answered: 2, unhandled: 2 }])
  t.equal(unhandled.data.length, 2)
})

t.test('the page names every number of a summary, and every cohort', async t => {
  for (const name of [...SLA_MEASURE_NAMES, ...SLA_COHORTS]) t.ok(page.includes(`\`${name}\``), name)
})
