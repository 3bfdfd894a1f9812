import { acceptInbound, ledgerEntries } from '@parley/core'
import type { InboundSource } from '@parley/db'
import { has } from '@parley/testing'
import t from 'tap'
import { addChannel, addKey, addParked, type Json, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
api.clock.now = new Date('2026-03-02T12:34:56.789Z')
const agent = await addKey(api.db, api.ours.workspace_id, 'agent')

const ask = async (channel: Json, query = ''): Promise<Json> => {
  const headers = { authorization: `Bearer ${agent.key}` }
  const answer = await api.call('GET', `/v1/channels/${channel.id}/completeness${query}`, undefined, headers)
  if (answer.status !== 200) throw new Error(answer.text)
  return answer.body
}
const receive = (channel: Json, at: string, keys: string[], source: InboundSource = 'webhook') => {
  const events = keys.map(dedup_key => ({ dedup_key, thread_key: null, payload: {} }))
  const entries = ledgerEntries(channel.id, events, source, new Date(at))
  return api.db.inWorkspace(api.ours.workspace_id, trx => acceptInbound(trx, entries))
}
const close = (channel: Json, key: string, state: string, ingest = 0, network = 0) =>
  api.query(`update inbound_events set state = '${state}', processed_at = received_at + interval '${ingest} ms',
    occurred_at = received_at - interval '${network} ms' where channel_id = '${channel.id}' and dedup_key = '${key}'`)

const NOTHING = { received: 0, stored: 0, ignored: 0, parked: 0, discarded: 0, pending: 0, duplicates: 0 }

t.test('what was received is what was stored, ignored, parked, discarded, pending and repeated', async t => {
  const channel = await addChannel(api)
  await receive(channel, '2026-03-02T10:00:00Z', ['a', 'b', 'c', 'd'])
  await receive(channel, '2026-03-02T10:59:59.999Z', ['a', 'b', 'e'], 'poll')
  await receive(channel, '2026-03-02T11:00:00Z', ['f', 'a'])
  await addParked(api, api.ours, channel, new Date('2026-03-02T11:30:00Z'))
  await close(channel, 'a', 'done', 30, 2_000)
  await close(channel, 'b', 'done', 10, 9_000)
  await close(channel, 'e', 'done', 20, 4_000)
  await close(channel, 'c', 'ignored', 400, 100)
  // Decided by a person days later: no lag of ours.
  await close(channel, 'd', 'discarded', 99_000_000)
  const answer = await ask(channel)
  const ten = { ...NOTHING, received: 7, stored: 3, ignored: 1, discarded: 1, duplicates: 2 }
  const eleven = { ...NOTHING, received: 3, pending: 1, parked: 1, duplicates: 1 }
  has(t, answer, {
    channel_id: channel.id,
    from: new Date('2026-03-01T13:00:00Z'),
    to: new Date('2026-03-02T13:00:00Z'),
    as_of: api.clock.now,
    complete: false,
    ...{ ...NOTHING, received: 10, stored: 3, ignored: 1, discarded: 1, pending: 1, parked: 1, duplicates: 3 },
  })
  t.same(answer.sources, [
    { source: 'poll', ...NOTHING, received: 3, stored: 1, duplicates: 2 },
    {
      source: 'webhook',
      ...NOTHING,
      received: 7,
      stored: 2,
      ignored: 1,
      discarded: 1,
      pending: 1,
      parked: 1,
      duplicates: 1,
    },
  ])
  t.equal(answer.hours.length, 24)
  const none = { p50: null, max: null }
  t.same(answer.hours.slice(-3), [
    {
      hour: '2026-03-02T10:00:00.000Z',
      complete: true,
      ...ten,
      sources: [
        { source: 'poll', ...NOTHING, received: 3, stored: 1, duplicates: 2 },
        { source: 'webhook', ...NOTHING, received: 4, stored: 2, ignored: 1, discarded: 1 },
      ],
      ingest_ms: { p50: 20, max: 400 },
      network_ms: { p50: 2_000, max: 9_000 },
    },
    {
      hour: '2026-03-02T11:00:00.000Z',
      complete: false,
      ...eleven,
      sources: [{ source: 'webhook', ...eleven }],
      ingest_ms: none,
      network_ms: none,
    },
    { hour: '2026-03-02T12:00:00.000Z', complete: true, ...NOTHING, sources: [], ingest_ms: none, network_ms: none },
  ])
  await close(channel, 'f', 'done')
  t.equal((await ask(channel)).complete, true)
})

t.test('of another channel, or of an hour outside the period, nothing is counted', async t => {
  const [channel, other] = [await addChannel(api), await addChannel(api)]
  await receive(other, '2026-03-02T10:00:00Z', ['a'])
  for (const at of [
    '2026-03-02T08:59:59.999Z',
    '2026-03-02T09:00:00Z',
    '2026-03-02T09:59:59.999Z',
    '2026-03-02T10:00:00Z',
  ])
    await receive(channel, at, [at])
  const answer = await ask(channel, '?from=2026-03-02T09:00:00Z&to=2026-03-02T10:00:00Z')
  has(t, answer, { received: 2, pending: 2, complete: false })
  t.equal(answer.hours.length, 1)
})

t.test('hours are those of UTC, whatever zone they are asked in, and seven days are as many as there are', async t => {
  const channel = await addChannel(api)
  const week = await ask(channel, '?from=2026-02-23T16:00:00%2B02:00&to=2026-03-02T14:00:00Z')
  has(t, week, { from: new Date('2026-02-23T14:00:00Z'), to: new Date('2026-03-02T13:00:00Z'), complete: true })
  t.equal(week.hours.length, 167, 'the hour that has not begun is left out')
  const half = await ask(channel, '?from=2026-03-02T05:30:00%2B05:30')
  t.equal(half.hours[0].hour, '2026-03-02T00:00:00.000Z')
  const until = await ask(channel, '?to=2026-03-01T00:00:00Z')
  has(t, until, { from: new Date('2026-02-28T00:00:00Z'), to: new Date('2026-03-01T00:00:00Z') })
  const future = await ask(channel, '?from=2026-03-03T00:00:00Z&to=2026-03-04T00:00:00Z')
  has(t, future, { hours: [], complete: true, received: 0 })
})

t.test('a period that cannot be counted is refused', async t => {
  const channel = await addChannel(api)
  const bad = [
    ...[
      '2026-02-30T00:00:00Z',
      'now',
      'infinity',
      '2026-03-02',
      '2026-03-02T00:00:00',
      '1772409600',
      '',
      '2026-03-02T24:00:00Z',
    ],
    ...['2026-03-02T09:30:00Z', '2026-03-02T09:00:00.001Z', '2026-03-02T09:00:00%2B05:30'],
  ]
  await changesNothing(t, api, async () => {
    const refused = async (query: string) =>
      isProblem(
        t,
        await api.call('GET', `/v1/channels/${channel.id}/completeness?${query}`),
        422,
        'validation-failed',
        query,
      )
    for (const instant of bad) {
      await refused(`from=${instant}`)
      await refused(`to=${instant}`)
    }
    await refused('from=2026-03-02T10:00:00Z&to=2026-03-02T10:00:00Z')
    await refused('from=2026-03-02T11:00:00Z&to=2026-03-02T10:00:00Z')
    await refused('from=2026-03-02T13:00:00Z')
    await refused('from=2026-02-23T09:00:00Z&to=2026-03-02T10:00:00Z')
    await refused('from=2026-01-31T12:00:00Z&to=2026-02-01T12:00:00Z')
    await refused('from=2026-03-02T10:00:00Z&from=2026-03-02T10:00:00Z')
    const unknown = await api.call('GET', `/v1/channels/${channel.id}/completeness?hours=3`)
    isProblem(t, unknown, 400, 'invalid-request', 'an unknown filter')
  })
  const { status, body } = await api.call(
    'GET',
    `/v1/channels/${channel.id}/completeness?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z`,
  )
  t.same([status, body.errors], [422, [{ pointer: '/from', detail: 'the ledger is kept for 30 days' }]])
})
