import { breachClocks } from '@parley/core'
import { has } from '@parley/testing'
import t, { type Test } from 'tap'
import { work } from './comments.ts'
import { addChannel, addKey, BEARER_SECRET, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const MONDAY = '2026-03-02'
const at = (time: string) => new Date(`${MONDAY}T${time}Z`)

/** An inbox in Berlin whose office hours are nine to five, with these targets. */
async function office(t: Test, targets: Json) {
  const api = await testApi(t)
  api.clock.now = at('07:00:00')
  const weekly = [1, 2, 3, 4, 5].map(weekday => ({ weekday, opens: '09:00', closes: '17:00' }))
  const holidays = [{ date: '2026-03-03', name: 'Founding day' }]
  const definition = { time_zone: 'Europe/Berlin', weekly, holidays }
  const calendar = (await api.call('POST', '/v1/calendars', { name: 'Office', definition })).body
  const terms = { name: 'Standard', calendar_id: calendar.id, targets, enforce_from: '2026-01-01T00:00:00Z' }
  const policy = (await api.call('POST', '/v1/sla/policies', terms)).body
  await api.call('PATCH', `/v1/inboxes/${api.ours.inbox_id}`, { sla_policy_id: policy.id })
  const channel = await addChannel(api)
  const say = async (author: string, time: string) => {
    api.clock.now = at(time)
    const event = {
      type: 'message.received',
      data: {
        external_id: `${author}-${time}`,
        kind: 'comment',
        author: { platform_id: author, display_name: author },
        text: 'Where is it?',
        created_at: api.clock.now.toISOString(),
      },
    }
    await api.call('POST', `/hooks/${channel.id}`, { events: [event] }, { authorization: `Bearer ${BEARER_SECRET}` })
    await work(api, api.ours, channel.id)
  }
  const get = async (path: string) => (await api.call('GET', path)).body
  return { api, calendar, policy, channel, say, get }
}

t.test('a policy is made in versions that are kept; a stale write is refused, and so is what cannot be', async t => {
  const { api, policy, calendar } = await office(t, { first_response: { seconds: 3600 } })
  const path = `/v1/sla/policies/${policy.id}`
  has(t, policy, { version: 1, position: 100, enabled: true, conditions: null })
  const targets = { first_response: { seconds: 1800, by_priority: { urgent: 600 }, warn_before_seconds: [300] } }
  const changed = await api.call('PATCH', path, { targets }, { 'if-match': '"1"' })
  has(t, changed.body, { version: 2, targets })
  isProblem(t, await api.call('PATCH', path, { name: 'x' }, { 'if-match': '"1"' }), 412, 'version-mismatch', 'stale')
  has(t, (await api.call('PATCH', path, { targets }, { 'if-match': '"2"' })).body, { version: 2 }, 'nothing changed')
  const { data } = (await api.call('GET', `${path}/versions`)).body
  has(t, data, [
    { version: 2, targets },
    { version: 1, targets: { first_response: { seconds: 3600 } } },
  ])
  const refused = async (fields: Json, what: string) => {
    const body = { name: what, calendar_id: calendar.id, targets, ...fields }
    isProblem(t, await api.call('POST', '/v1/sla/policies', body), 422, 'validation-failed', what)
  }
  await refused({ targets: {} }, 'no target')
  await refused(
    { targets: { first_response: { seconds: 1, pauses_in: ['pending'] } } },
    'a customer’s clock never pauses',
  )
  await refused({ targets: { resolution: { seconds: 366 * 24 * 3600, by_priority: { low: 0 } } } }, 'no time')
  await refused({ targets: { first_response: { seconds: 300 * 24 * 3600, warn_before_seconds: [1, 1] } } }, 'twice')
  await refused({ conditions: { tag: ['unheard of'] } }, 'a tag that there is not')
  await refused({ conditions: { colour: ['red'] } }, 'no such field')
})

t.test('leads see what falls due next, whoever has it and whatever its state, page by page', async t => {
  const { api, say, get } = await office(t, {
    first_response: { seconds: 3600 },
    assignment: { seconds: 7200 },
  })
  await say('ana', '09:00:00')
  await say('ben', '09:30:00')
  const [ana] = (await get('/v1/conversations?sort=oldest')).data
  const { user_id } = await addKey(api.db, api.ours.workspace_id, 'agent')
  const snooze = { status: 'snoozed', snoozed_until: '2026-03-04T09:00:00Z' }
  await api.call('PATCH', `/v1/conversations/${ana.id}`, snooze, { 'if-match': `"${ana.version}"` })
  api.clock.now = at('09:45:00')
  const all = (await get('/v1/sla/at-risk')).data
  has(
    t,
    all.map((clock: Json) => [clock.metric, clock.due_at, clock.left_seconds]),
    [
      ['first_response', at('10:00:00').toISOString(), 900],
      ['first_response', at('10:30:00').toISOString(), 2700],
      ['assignment', at('11:00:00').toISOString(), 4500],
      ['assignment', at('11:30:00').toISOString(), 6300],
    ],
  )
  has(t, all[0].conversation, { id: ana.id, status: 'snoozed' }, 'a snooze hides nothing')
  const first = await get('/v1/sla/at-risk?limit=3')
  const rest = await get(`/v1/sla/at-risk?limit=3&cursor=${first.next_cursor}`)
  t.same([...first.data, ...rest.data], all)
  t.equal((await get('/v1/sla/at-risk?within_seconds=1000')).data.length, 1)
  t.equal((await get('/v1/sla/at-risk?metric=assignment')).data.length, 2)
  t.equal((await get(`/v1/sla/at-risk?assignee_id=${user_id}`)).data.length, 0)
  t.equal((await get('/v1/sla/at-risk?assignee_id=none')).data.length, 4)
  const hidden = (await api.call('POST', '/v1/inboxes', { name: 'Elsewhere' })).body.id
  t.same((await get(`/v1/sla/at-risk?inbox_id=${hidden}`)).data, [])
})

t.test('a breach is told with whose it was then, how late we noticed, and why', async t => {
  const { api, say, get } = await office(t, { first_response: { seconds: 3600 } })
  await say('ana', '09:00:00')
  const [ana] = (await get('/v1/conversations')).data
  const { user_id } = await addKey(api.db, api.ours.workspace_id, 'agent')
  await api.call('PUT', `/v1/conversations/${ana.id}/assignee`, { assignee_id: user_id, from: null })
  api.clock.now = at('10:00:02')
  await api.db.inWorkspace(api.ours.workspace_id, trx => breachClocks(trx, api.clock.now, 10))
  await api.call('PUT', `/v1/conversations/${ana.id}/assignee`, { assignee_id: null, from: user_id })
  const period = `from=${at('10:00:00').toISOString()}&to=${at('10:00:01').toISOString()}`
  const { data } = await get(`/v1/sla/breaches?${period}`)
  t.equal(data.length, 1)
  has(t, data[0], { breached_at: at('10:00:00').toISOString(), detection_lag_ms: 2000, owner_id: user_id, cause: null })
  has(t, data[0], { conversation: { id: ana.id, assignee_id: null }, network_lag_ms: 0 })
  t.equal((await get(`/v1/sla/breaches?${period}&assignee_id=${user_id}`)).data.length, 1, 'by who had it then')
  t.equal((await get(`/v1/sla/breaches?${period}&assignee_id=none`)).data.length, 0)
  const later = `from=${at('10:00:01').toISOString()}&to=${at('11:00:00').toISOString()}`
  t.same((await get(`/v1/sla/breaches?${later}`)).data, [], 'a period is half-open')
  isProblem(
    t,
    await api.call('GET', `/v1/sla/breaches?from=${at('10:00:00').toISOString()}`),
    422,
    'validation-failed',
    'no end',
  )
})

t.test('every clock explains itself: hours counted, pauses, holidays, versions, and what became of it', async t => {
  const { api, say, get } = await office(t, { resolution: { seconds: 4 * 3600 } })
  await say('ana', '14:00:00')
  const [ana] = (await get('/v1/conversations')).data
  const change = async (status: string, instant: string) => {
    api.clock.now = new Date(instant)
    const { version } = await get(`/v1/conversations/${ana.id}`)
    const answer = await api.call('PATCH', `/v1/conversations/${ana.id}`, { status }, { 'if-match': `"${version}"` })
    t.equal(answer.status, 200)
  }
  await change('pending', '2026-03-04T08:30:00Z')
  await change('open', '2026-03-04T09:30:00Z')
  await change('resolved', '2026-03-04T11:15:00Z')
  const { clocks } = await get(`/v1/conversations/${ana.id}/sla`)
  has(t, clocks[0], {
    metric: 'resolution',
    due_at: '2026-03-04T11:00:00.000Z',
    breached_at: '2026-03-04T11:00:00.000Z',
  })
  const { explanation } = clocks[0]
  has(t, explanation, { counted_seconds: 4.25 * 3600, more_intervals: 0 })
  has(t, explanation.holidays, [{ date: '2026-03-03', name: 'Founding day' }])
  has(t, explanation.intervals, [
    { start: `${MONDAY}T14:00:00.000Z`, end: `${MONDAY}T16:00:00.000Z`, seconds: 7200 },
    { start: '2026-03-04T08:00:00.000Z', end: '2026-03-04T08:30:00.000Z', seconds: 1800 },
    { start: '2026-03-04T09:30:00.000Z', end: '2026-03-04T11:15:00.000Z', seconds: 6300 },
  ])
  t.same(explanation.pauses, [{ from: '2026-03-04T08:30:00.000Z', until: '2026-03-04T09:30:00.000Z' }])
  t.same(explanation.text, [
    'It started at 2026-03-02T15:00:00+01:00: somebody began to wait in the conversation.',
    "The policy 'Standard' (version 1) promises a resolution within 4 h of open time, by the calendar 'Office' (version 1, Europe/Berlin).",
    '4 h 15 min of open time were counted.',
    'It stood still from 2026-03-04T09:30:00+01:00 to 2026-03-04T10:30:00+01:00.',
    'Holidays: Founding day.',
    'It fell due at 2026-03-04T12:00:00+01:00, and what was promised came at 2026-03-04T12:15:00+01:00: 15 min of open time late.',
  ])
})

t.test(
  'policies are imported by their names: again changes nothing, and one that cannot be leaves the others be',
  async t => {
    const { api } = await office(t, { first_response: { seconds: 3600 } })
    const targets = { first_response: { seconds: 3600 } }
    const policies = [
      { name: 'Standard', calendar: 'Office', targets },
      {
        name: 'Strict',
        calendar: 'Office',
        targets: { resolution: { seconds: 7200 } },
        conditions: { priority: ['urgent'] },
      },
      { name: 'Nowhere', calendar: 'Moon', targets },
    ]
    const run = async (dry_run: boolean) => {
      const { data } = (await api.call('POST', '/v1/sla/policies/import', { policies, dry_run })).body
      return data.map(({ result, version }: Json) => [result, version])
    }
    t.same(await run(true), [
      ['unchanged', 1],
      ['created', null],
      ['refused', null],
    ])
    t.equal((await api.call('GET', '/v1/sla/policies')).body.data.length, 1, 'a dry run saves nothing')
    t.same(await run(false), [
      ['unchanged', 1],
      ['created', 1],
      ['refused', null],
    ])
    policies[1]!.targets = { resolution: { seconds: 3600 } }
    t.same((await run(false))[1], ['updated', 2])
    t.same((await run(false))[1], ['unchanged', 2])
  },
)
