import { acceptInbound, ledgerEntries } from '@parley/core'
import { has } from '@parley/testing'
import t from 'tap'
import { addChannel, addKey, addParked, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
const now = api.clock.now
const agent = await addKey(api.db, api.ours.workspace_id, 'agent')
const ago = (ms: number) => new Date(now.getTime() - ms)

const healthOf = async (channel: Json): Promise<Json> => {
  const headers = { authorization: `Bearer ${agent.key}` }
  const answer = await api.call('GET', `/v1/channels/${channel.id}/health`, undefined, headers)
  if (answer.status !== 200) throw new Error(answer.text)
  return answer.body
}
const accept = (channel: Json, received_at: Date, count = 1) => {
  const events = Array.from({ length: count }, () => ({ dedup_key: `${Math.random()}`, thread_key: null, payload: {} }))
  const entries = ledgerEntries(channel.id, events, 'webhook', received_at)
  return api.db.inWorkspace(api.ours.workspace_id, trx => acceptInbound(trx, entries)).then(() => entries)
}
/** Events that were received and closed: `lags` are what ingest and the network took, in ms. */
const close = async (channel: Json, received_at: Date, lags: [number, number][], state = 'done') => {
  const entries = await accept(channel, received_at, lags.length)
  for (const [index, [ingest, network]] of lags.entries()) {
    await api.query(`update inbound_events set state = '${state}',
      processed_at = received_at + interval '${ingest} ms', occurred_at = received_at - interval '${network} ms'
      where id = '${entries[index]!.id}'`)
  }
}
const set = (channel: Json, change: string) => api.query(`update channels set ${change} where id = '${channel.id}'`)

t.test('a channel that has received nothing yet is healthy and says nothing it does not know', async t => {
  const channel = await addChannel(api)
  const lag = { p50: null, p99: null, max: null }
  t.same(await healthOf(channel), {
    channel_id: channel.id,
    health: 'healthy',
    reasons: [],
    status: 'active',
    status_reason: null,
    fed_by: ['webhook'],
    last_received_at: null,
    last_processed_at: null,
    pending: { count: 0, at_least: false },
    oldest_pending_at: null,
    oldest_pending_seconds: null,
    parked: { count: 0, at_least: false },
    lag: { events: 0, ingest_ms: lag, network_ms: lag },
    poll: null,
    as_of: now.toISOString(),
  })
})

t.test('lags are of the last hour alone, and of what became of events by themselves', async t => {
  const channel = await addChannel(api)
  const lags = Array.from({ length: 100 }, (_, index): [number, number] => [index + 1, (index + 1) * 10])
  await close(channel, ago(60_000), lags)
  await close(channel, ago(60_000), [[4, 5]], 'ignored')
  // The clock of this network is ahead of ours.
  await close(channel, ago(60_000), [[5, -3_000]])
  await close(channel, ago(3_600_001), [[900_000, 900_000]])
  await close(channel, ago(60_000), [[50_000, 0]], 'discarded')
  const { lag, health } = await healthOf(channel)
  t.same(lag, {
    events: 102,
    ingest_ms: { p50: 49, p99: 99, max: 100 },
    network_ms: { p50: 490, p99: 990, max: 1000 },
  })
  t.equal(health, 'healthy')
})

t.test('the last event received and the last one processed need not be the same', async t => {
  const channel = await addChannel(api)
  await close(channel, ago(90_000), [[500, 0]])
  has(t, await healthOf(channel), { last_received_at: ago(90_000), last_processed_at: ago(89_500) })
  await addParked(api, api.ours, channel, ago(50_000))
  has(t, await healthOf(channel), { last_received_at: ago(50_000), last_processed_at: ago(89_500) })
  await accept(channel, ago(1_000))
  has(t, await healthOf(channel), {
    last_received_at: ago(1_000),
    last_processed_at: ago(89_500),
    oldest_pending_at: ago(1_000),
    oldest_pending_seconds: 1,
  })
})

t.test('what is pending is counted up to a thousand, and the oldest of all lanes is told', async t => {
  const channel = await addChannel(api)
  await accept(channel, ago(30_000), 999)
  await api.query(`update inbound_events set lane = 2 where channel_id = '${channel.id}'`)
  await accept(channel, ago(45_000))
  t.same((await healthOf(channel)).pending, { count: 1000, at_least: false })
  await accept(channel, ago(1_000))
  has(t, await healthOf(channel), {
    pending: { count: 1000, at_least: true },
    oldest_pending_at: ago(45_000),
    oldest_pending_seconds: 45,
    health: 'healthy',
  })
})

t.test('a channel nobody works on fails, with what to do about it', async t => {
  const channel = await addChannel(api)
  await accept(channel, ago(11 * 60_000))
  await addParked(api, api.ours, channel)
  const { health, reasons } = await healthOf(channel)
  t.equal(health, 'failing')
  t.same(
    reasons.map(({ code }: Json) => code),
    ['ingest_stuck', 'parked'],
  )
  t.match(reasons[0].detail, /11 minutes.*worker/)
})

t.test('a polled channel says when it was asked and when it will be', async t => {
  const channel = await addChannel(api)
  await set(
    channel,
    `next_poll_at = '${ago(-9_000).toISOString()}', polled_at = '${ago(6_000).toISOString()}', poll_failures = 3,
     resume_at = '${ago(-60_000).toISOString()}', status_reason = 'The network is down.'`,
  )
  const answer = await healthOf(channel)
  const times = { next_poll_at: ago(-9_000), polled_at: ago(6_000), resume_at: ago(-60_000) }
  has(t, answer, { fed_by: ['webhook', 'poll'], poll: { ...times, failures: 3 }, health: 'degraded' })
  t.same(
    answer.reasons.map(({ code }: Json) => code),
    ['poll_failing', 'rate_limited'],
  )
})

t.test('a channel that was deleted has no health', async t => {
  const channel = await addChannel(api)
  await set(channel, `status = 'deleted'`)
  for (const what of ['health', 'completeness', 'parked']) {
    isProblem(t, await api.call('GET', `/v1/channels/${channel.id}/${what}`), 404, 'not-found', what)
  }
  for (const what of ['pause', 'resume', 'parked/retry']) {
    const body = what === 'parked/retry' ? { all: true } : undefined
    isProblem(t, await api.call('POST', `/v1/channels/${channel.id}/${what}`, body), 404, 'not-found', what)
  }
})

t.test('pausing and resuming are told once each, whoever says it again', async t => {
  const channel = await addChannel(api)
  const lead = await addKey(api.db, api.ours.workspace_id, 'lead')
  const call = (verb: string) =>
    api.call('POST', `/v1/channels/${channel.id}/${verb}`, undefined, { authorization: `Bearer ${lead.key}` })
  for (const verb of ['resume', 'pause', 'pause']) t.equal((await call(verb)).status, 200)
  has(t, await healthOf(channel), { status: 'paused', health: 'degraded', reasons: [{ code: 'paused' }] })
  for (const verb of ['resume', 'resume']) t.equal((await call(verb)).body.status, 'active')
  t.equal((await healthOf(channel)).health, 'healthy')
  const events = await api.query(`select type, actor_id, data, previous from events
    where data->>'channel_id' = '${channel.id}' and type in ('channel.paused', 'channel.resumed') order by seq`)
  t.same(events, [
    {
      type: 'channel.paused',
      actor_id: lead.user_id,
      data: { channel_id: channel.id, status: 'paused' },
      previous: { status: 'active' },
    },
    {
      type: 'channel.resumed',
      actor_id: lead.user_id,
      data: { channel_id: channel.id, status: 'active' },
      previous: { status: 'paused' },
    },
  ])
})

t.test('a channel that its network shut out is neither paused nor resumed', async t => {
  const channel = await addChannel(api)
  await set(channel, `status = 'disabled', status_reason = 'Token revoked.'`)
  for (const verb of ['pause', 'resume']) {
    const answer = await api.call('POST', `/v1/channels/${channel.id}/${verb}`)
    isProblem(t, answer, 409, 'conflict', verb)
    t.equal(answer.body.state, 'disabled')
  }
  has(t, await healthOf(channel), { health: 'failing', reasons: [{ code: 'disabled', detail: /Token revoked/ }] })
})
