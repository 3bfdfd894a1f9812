import { randomUUID } from 'node:crypto'
import { breachClocks } from '@parley/core'
import { has } from '@parley/testing'
import t, { type Test } from 'tap'
import { addChannel, addKey, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'
import { openWeek } from './report-week.ts'

const at = (time: string) => new Date(`2026-03-02T${time}Z`)
const DAY = 'from=2026-03-02T00:00:00Z&to=2026-03-03T00:00:00Z'

/** A morning in Berlin: of five customers one is answered in time, one late, one not, one is dismissed, and one has just asked. */
async function morning(t: Test) {
  const api = await testApi(t)
  api.clock.now = at('07:00:00')
  const weekly = [1, 2, 3, 4, 5].map(weekday => ({ weekday, opens: '09:00', closes: '17:00' }))
  const definition = { time_zone: 'Europe/Berlin', weekly }
  const calendar = (await api.call('POST', '/v1/calendars', { name: 'Office', definition })).body
  const targets = { first_response: { seconds: 3600 } }
  const terms = { name: '=1+1', calendar_id: calendar.id, targets, enforce_from: '2026-01-01T00:00:00Z' }
  const policy = (await api.call('POST', '/v1/sla/policies', terms)).body
  await api.call('PATCH', `/v1/inboxes/${api.ours.inbox_id}`, { sla_policy_id: policy.id })
  const channel = await addChannel(api)
  const week = openWeek(api)
  const said: Json[] = []
  for (const [by, time] of Object.entries({
    ana: '07:30:00',
    ben: '08:00:00',
    cid: '08:05:00',
    dora: '08:06:00',
    eve: '09:45:00',
  }))
    said.push(await week.say({ channel, thread: randomUUID(), by, at: at(time) }))
  await week.answer(said[0].conversation_id, 'Zoe', at('08:30:00'), 'It arrives today.')
  await week.dismiss(said[3].ids, 'Only thanks', at('08:40:00'))
  await week.run(trx => breachClocks(trx, at('09:06:00'), 10))
  await week.answer(said[1].conversation_id, 'Zoe', at('09:30:00'), 'It arrives tomorrow.')
  api.clock.now = at('10:00:00')
  await week.count()
  const get = async (path: string) => (await api.call('GET', path)).body
  return { api, policy, channel, week, said, get }
}

t.test('a lead sees what was kept by metric, and behind every number its list, page by page', async t => {
  const { get, said, policy, channel } = await morning(t)
  const summary = await get(`/v1/sla/summary?${DAY}`)
  has(t, summary, { cohort: 'started', as_of: at('10:00:00').toISOString(), time_zone: 'UTC', interval: 'none' })
  const counts = { met: 1, breached: 2, open_overdue: 1, open: 1, cancelled: 1, fulfilled: 2 }
  has(t, summary.rows, [{ metric: 'first_response', attainment: 1 / 3, ...counts }])
  has(t, summary.rows[0], { calendar_mean_seconds: 4500, business_mean_seconds: 3600 })
  for (const [measure, count] of Object.entries(counts)) {
    const { data } = await get(`/v1/sla/summary/conversations?${DAY}&metric=first_response&measure=${measure}`)
    t.equal(data.length, count, measure)
  }
  const list = `/v1/sla/summary/conversations?${DAY}&measure=breached&limit=1`
  const first = await get(list)
  const second = await get(`${list}&cursor=${first.next_cursor}`)
  has(t, first.data[0], { conversation_id: said[1].conversation_id, outcome: 'late', calendar_seconds: 5400 })
  has(t, second.data[0], { conversation_id: said[2].conversation_id, outcome: 'overdue', business_seconds: null })
  has(t, first.data[0], { policy_id: policy.id, channel_id: channel.id, priority: 'normal', number: 2 })
  t.equal(second.next_cursor, null)
})

t.test('a summary is told apart and chosen by policy, channel, team, agent, priority and the rest', async t => {
  const { get, policy } = await morning(t)
  const by = async (query: string) => get(`/v1/sla/summary?${DAY}&${query}`)
  const { rows, names } = await by('group_by=policy_id&group_by=user_id&group_by=priority')
  t.same(
    rows.map(({ user_id, policy_id, priority, met, breached }: Json) => [
      names[policy_id],
      user_id,
      priority,
      met,
      breached,
    ]),
    [['=1+1', null, 'normal', 1, 2]],
    'nobody owned what they answered',
  )
  t.equal((await by(`policy_id=${policy.id}`)).rows.length, 1)
  for (const nothing of [
    'priority=urgent',
    'team_id=none&metric=resolution',
    `tag_id=${policy.id}`,
    `policy_id=${policy.calendar_id}`,
  ])
    t.same((await by(nothing)).rows, [], nothing)
  t.equal((await by('user_id=none&team_id=none&post_id=none')).rows[0].breached, 2)
  const hours = await by('cohort=due&interval=hour&time_zone=Europe/Berlin')
  t.same(
    hours.rows.map(({ from, met, breached, open }: Json) => [from.slice(11, 16), met, breached, open]),
    [
      ['09:00', 1, 2, 0],
      ['10:00', 0, 0, 1],
    ],
  )
})

t.test('as CSV a summary has what its ids are called, and nothing that a spreadsheet would run', async t => {
  const { api, policy } = await morning(t)
  const { headers, text } = await api.call('GET', `/v1/sla/summary?${DAY}&group_by=policy_id&format=csv`)
  t.match(headers, { 'content-type': /^text\/csv/, 'content-disposition': /sla_summary\.csv/ })
  const [head, row] = text.split('\r\n')
  t.match(
    head,
    /^from,to,policy_id,policy,metric,attainment,met,breached,open_overdue,open,cancelled,fulfilled,calendar_mean_seconds/,
  )
  t.ok(row!.includes(`,${policy.id},'=1+1,first_response,0.333`), row!)
})

t.test('a forecast says what will be late, by what it assumes; what it is of is at risk', async t => {
  const { api, get, channel, week } = await morning(t)
  for (const by of ['fay', 'gus', 'hal']) await week.say({ channel, thread: randomUUID(), by, at: at('09:50:00') })
  await week.count()
  const forecast = await get('/v1/sla/forecast?hours=2&window_hours=24')
  const { total, inboxes } = forecast
  has(t, forecast, { as_of: at('10:00:00').toISOString(), to: at('12:00:00').toISOString() })
  const [inbox] = inboxes
  has(t, inbox, { waiting: 5, late: 1, arrivals: 7, answers: 2 })
  has(t, inbox.assumed, { open_hours: 2, answers_per_open_hour: 1, target_seconds: 3600, arrivals_per_hour: 0.29 })
  has(t, total, { waiting: 5, due: inbox.due, breached: inbox.breached })
  t.ok(inbox.due >= 4 && inbox.breached >= 4 && inbox.breached <= inbox.due, JSON.stringify(inbox))
  t.ok(Math.abs(inbox.due - inbox.answered - inbox.breached) < 0.001)
  t.match(inbox.text, [
    /^5 customers wait now, 1 of them too long already[.]$/,
    /2 were answered within 2 hours/,
    /will be late[.]$/,
  ])
  t.equal((await get('/v1/sla/at-risk?within_seconds=7200')).data.length, 4)
  const quiet = (await api.call('POST', '/v1/inboxes', { name: 'Quiet' })).body
  t.same((await get(`/v1/sla/forecast?inbox_id=${quiet.id}`)).inboxes, [])
})

t.test('with no answers at all in the window everything that falls due is late', async t => {
  const { api, get, channel, week } = await morning(t)
  await week.say({ channel, thread: randomUUID(), by: 'fay', at: at('10:20:00') })
  api.clock.now = at('10:46:00')
  await week.count()
  const { inboxes } = await get('/v1/sla/forecast?hours=1&window_hours=1')
  const [inbox] = inboxes
  has(t, inbox, { answers: 0, answered: 0 })
  t.ok(inbox.due >= 1 && inbox.breached === inbox.due, JSON.stringify(inbox))
  t.match(inbox.text.at(-1), /all of them will be late, as nobody was answered/)
})

t.test('a lead is told of the inboxes that they see, and of nothing else', async t => {
  const { api } = await morning(t)
  const other = (await api.call('POST', '/v1/inboxes', { name: 'Other' })).body
  const { key, user_id } = await addKey(api.db, api.ours.workspace_id, 'lead', { now: api.clock.now })
  await api.call('PUT', `/v1/inboxes/${other.id}/members/${user_id}`)
  await api.call('PATCH', `/v1/inboxes/${api.ours.inbox_id}`, { open_to_all: false })
  const headers = { authorization: `Bearer ${key}` }
  const get = (path: string) => api.call('GET', path, undefined, headers)
  t.same((await get(`/v1/sla/summary?${DAY}`)).body.rows, [])
  t.same((await get(`/v1/sla/summary/conversations?${DAY}&measure=met`)).body.data, [])
  t.same((await get('/v1/sla/forecast')).body.inboxes, [])
  for (const path of [
    `/v1/sla/summary?${DAY}&`,
    `/v1/sla/summary/conversations?${DAY}&measure=met&`,
    '/v1/sla/forecast?',
  ])
    t.equal((await get(`${path}inbox_id=${api.ours.inbox_id}`)).status, 422, path)
})

t.test('what there is not is refused, and before anything is counted there is nothing', async t => {
  const api = await testApi(t)
  for (const path of [
    'summary',
    'summary?from=2026-03-02T00:10:00Z&to=2026-03-03T00:00:00Z',
    `summary?${DAY}&cohort=opened`,
    `summary?${DAY}&metric=speed`,
    `summary?${DAY}&group_by=metric`,
    `summary?${DAY}&priority=none`,
    `summary?${DAY}&policy_id=any`,
    `summary/conversations?${DAY}`,
    `summary/conversations?${DAY}&measure=attainment`,
    'forecast?hours=25',
    'forecast?hours=0',
    'forecast?window_hours=673',
  ])
    isProblem(t, await api.call('GET', `/v1/sla/${path}`), 422, 'validation-failed', path)
  has(t, (await api.call('GET', `/v1/sla/summary?${DAY}`)).body, { as_of: null, rows: [] })
  has(t, (await api.call('GET', '/v1/sla/forecast')).body, {
    as_of: null,
    inboxes: [],
    total: { waiting: 0, hours: [] },
  })
  has(t, (await api.call('GET', `/v1/sla/summary/conversations?${DAY}&measure=met`)).body, { data: [] })
})
