import { readFileSync } from 'node:fs'
import { breachClocks } from '@parley/core'
import { SLA_METRICS } from '@parley/domain'
import { has } from '@parley/testing'
import t from 'tap'
import { work } from './comments.ts'
import { follow } from './doc-examples.ts'
import { addChannel, BEARER_SECRET, type Json, testApi } from './helper.ts'

const page = readFileSync(new URL('../../../docs/sla.md', import.meta.url), 'utf8')

t.test('the requests of the page about promises are answered as it says', async t => {
  const api = await testApi(t)
  api.clock.now = new Date('2027-01-04T07:00:00Z')
  const channel = await addChannel(api)
  const weekly = [1, 2, 3, 4, 5].map(weekday => ({ weekday, opens: '09:00', closes: '17:00' }))
  const definition = { time_zone: 'Europe/Berlin', weekly }
  const calendar = (await api.call('POST', '/v1/calendars', { name: 'Office', definition })).body
  const values: Record<string, string> = { calendar_id: calendar.id, inbox_id: api.ours.inbox_id }
  const ask = async () => {
    api.clock.now = new Date('2027-01-04T08:30:00Z')
    const data = {
      ...{ external_id: 'c-1', kind: 'comment', author: { platform_id: 'ana' }, text: 'Where is it?' },
      created_at: api.clock.now.toISOString(),
    }
    const events = [{ type: 'message.received', data }]
    await api.call('POST', `/hooks/${channel.id}`, { events }, { authorization: `Bearer ${BEARER_SECRET}` })
    await work(api, api.ours, channel.id)
    values.conversation_id = (await api.call('GET', '/v1/conversations')).body.data[0].id
  }
  const before = {
    '/v1/sla/breaches?from=2027-01-04T00:00:00Z&to=2027-01-05T00:00:00Z': async () => {
      api.clock.now = new Date('2027-01-04T08:46:00Z')
      await api.db.inWorkspace(api.ours.workspace_id, trx => breachClocks(trx, api.clock.now, 10))
    },
  }
  const after = {
    'POST /v1/sla/policies': (answer: Json) => {
      values.policy_id ??= answer.id
    },
    'PATCH /v1/inboxes/{inbox_id}': ask,
  }
  const answers = await follow(t, api, page, values, before, after)
  const [, , , , versions, counted, moved, imported, atRisk, breaches, sla, selfCheck] = answers
  t.same(
    versions.data.map(({ version }: Json) => version),
    [2, 1],
  )
  has(t, counted, { dry_run: true, looked_at: 3, changed: 3, breaching: 0, complete: true })
  has(t, moved, { dry_run: false, looked_at: 1, changed: 1, complete: true })
  has(t, imported.data, [
    { name: 'Standard', result: 'updated', version: 2 },
    { name: 'Portuguese', result: 'created', id: null },
  ])
  t.same(
    atRisk.data.map(({ metric }: Json) => metric),
    ['assignment', 'first_response'],
    'a resolution of two days in office hours is far',
  )
  has(t, breaches.data, [{ metric: 'assignment', breached_at: '2027-01-04T08:45:00.000Z', owner_id: null }])
  const [first] = sla.clocks.filter(({ metric }: Json) => metric === 'first_response')
  t.equal(first.explanation.text.at(-1), 'It falls due at 2027-01-04T10:30:00+01:00.')
  t.same(selfCheck, { last: null, differences: [] })
})

t.test('the page names every metric', async t => {
  for (const metric of SLA_METRICS) t.ok(page.includes(`\`${metric}\``), metric)
})
