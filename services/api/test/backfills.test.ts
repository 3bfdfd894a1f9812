import { randomUUID } from 'node:crypto'
import { channelContext, seal } from '@parley/core'
import { insertChannel, lockRunningBackfill, newId, updateBackfill, updateChannel } from '@parley/db'
import { has, TEST_SECRET_KEY } from '@parley/testing'
import t from 'tap'
import { addChannel, addKey, type Json, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const { workspace_id, inbox_id } = api.ours
const DAY_MS = 86_400_000

/** A channel whose network can be paged into the past. */
async function addBlueskyChannel(fields: Record<string, unknown> = {}) {
  const id = newId(api.clock.now)
  const credentials = { identifier: 'brand.example', app_password: 'secret' }
  return api.db.inWorkspace(workspace_id, trx =>
    insertChannel(trx, {
      id,
      inbox_id,
      kind: 'bluesky',
      name: 'Bluesky',
      external_id: 'did:plc:brand',
      status: 'active',
      settings: JSON.stringify({ service_url: 'https://pds.example' }),
      credentials_sealed: seal(TEST_SECRET_KEY, channelContext({ workspace_id, id }), credentials),
      next_poll_at: new Date(api.clock.now.getTime() + 10_000),
      connected_at: api.clock.now,
      created_at: api.clock.now,
      ...fields,
    }),
  )
}

const pathOf = ({ id }: { id: string }) => `/v1/channels/${id}/backfill`
const start = (channel: { id: string }, body: Json, headers: Record<string, string> = {}) =>
  api.call('POST', pathOf(channel), body, headers)
const rowOf = async ({ id }: { id: string }) =>
  (await api.query(`select * from channels where id = '${id}'`))[0] as Json
const daysAgo = (days: number) => new Date(api.clock.now.getTime() - days * DAY_MS).toISOString()

t.test('history is asked for, followed and cancelled', async t => {
  const channel = await addBlueskyChannel()
  isProblem(t, await api.call('GET', pathOf(channel)), 404, 'not-found', 'nothing was asked for yet')
  isProblem(t, await api.call('DELETE', pathOf(channel)), 404, 'not-found', 'and nothing to cancel')

  const started = await start(channel, { days: 30 })
  t.equal(started.status, 202)
  t.same(started.body, {
    id: started.body.id,
    channel_id: channel.id,
    state: 'running',
    reason: null,
    since: daysAgo(30),
    pages: 0,
    events: 0,
    oldest_at: null,
    started_at: api.clock.now.toISOString(),
    finished_at: null,
  })
  has(t, await rowOf(channel), { next_poll_at: api.clock.now }, 'it begins at once')

  await api.db.inWorkspace(workspace_id, async trx => {
    const { id } = (await lockRunningBackfill(trx, channel.id))!
    await updateBackfill(trx, id, { pages: 7, events: 612, oldest_at: new Date(daysAgo(9)) })
  })
  const progress = await api.call('GET', pathOf(channel))
  t.match(progress.body, { state: 'running', pages: 7, events: 612, oldest_at: daysAgo(9) })

  const cancelled = await api.call('DELETE', pathOf(channel))
  t.match([cancelled.status, cancelled.body.state, cancelled.body.pages], [200, 'cancelled', 7])
  t.equal(cancelled.body.finished_at, api.clock.now.toISOString())
  t.same((await api.call('DELETE', pathOf(channel))).body, cancelled.body, 'cancelling twice is cancelling once')
  const types = (await api.query(`select type from events where type like 'backfill%' order by seq`)) as Json[]
  t.same(
    types.map(({ type }) => type),
    ['backfill.started', 'backfill.cancelled'],
  )

  api.clock.now = new Date(api.clock.now.getTime() + 1_000)
  const again = await start(channel, { since: daysAgo(2).replace('Z', '+00:00') })
  t.match(again.body, { state: 'running', since: daysAgo(2) })
  t.equal((await api.call('GET', pathOf(channel))).body.id, again.body.id, 'the last one is told about')
})

t.test('one backfill of a channel runs at a time, also when it is asked for twice at once', async t => {
  const channel = await addBlueskyChannel()
  const answers = await Promise.all(Array.from({ length: 8 }, () => start(channel, { days: 1 })))
  t.equal(answers.filter(({ status }) => status === 202).length, 1)
  for (const answer of answers.filter(({ status }) => status !== 202)) {
    isProblem(t, answer, 409, 'backfill-running', 'the others')
  }
  const other = await addBlueskyChannel()
  t.equal((await start(other, { days: 1 })).status, 202, 'another channel is another matter')
})

t.test('a repeated request starts nothing new', async t => {
  const channel = await addBlueskyChannel()
  const key = { 'idempotency-key': 'backfill-0001' }
  const first = await start(channel, { days: 3 }, key)
  const again = await start(channel, { days: 3 }, key)
  t.equal(again.text, first.text)
  t.equal(again.headers['idempotency-replayed'], 'true')
})

t.test('what cannot be read is refused, with nothing changed', async t => {
  const channel = await addBlueskyChannel()
  const generic = await addChannel(api)
  const disabled = await addBlueskyChannel({ status: 'disabled' })
  const deleted = await addBlueskyChannel({ status: 'deleted' })
  await changesNothing(t, api, async () => {
    isProblem(t, await start(generic, { days: 1 }), 422, 'history-unavailable', 'a network without history')
    isProblem(t, await start(disabled, { days: 1 }), 409, 'channel-not-active', 'a channel nobody may read')
    isProblem(t, await start(deleted, { days: 1 }), 404, 'not-found', 'a channel that was deleted')
    const bodies: Json[] = [
      {},
      { days: 0 },
      { days: 366 },
      { days: 1.5 },
      { days: '7' },
      { days: null },
      { days: 7, since: daysAgo(7) },
      { since: '2026-02-30T00:00:00Z' },
      { since: 'now' },
      { since: daysAgo(7).slice(0, 10) },
      { since: 1_700_000_000 },
      { days: 7, state: 'done' },
      [],
    ]
    for (const body of bodies) {
      isProblem(t, await start(channel, body), 422, 'validation-failed', JSON.stringify(body))
    }
    for (const since of [daysAgo(365.01), daysAgo(0), daysAgo(-1), '1970-01-01T00:00:00Z', '9999-12-31T00:00:00Z']) {
      const answer = await start(channel, { since })
      isProblem(t, answer, 422, 'validation-failed', since)
      t.match(answer.body.errors, [{ pointer: '/since' }])
    }
  })
})

t.test('a lead starts and cancels, an agent looks on', async t => {
  const channel = await addBlueskyChannel()
  const agent = { authorization: `Bearer ${(await addKey(api.db, workspace_id, 'agent')).key}` }
  const lead = { authorization: `Bearer ${(await addKey(api.db, workspace_id, 'lead')).key}` }
  isProblem(t, await start(channel, { days: 1 }, agent), 403, 'forbidden', 'start')
  t.equal((await start(channel, { days: 1 }, lead)).status, 202)
  t.equal((await api.call('GET', pathOf(channel), undefined, agent)).status, 200)
  isProblem(t, await api.call('DELETE', pathOf(channel), undefined, agent), 403, 'forbidden', 'cancel')
  t.equal((await api.call('DELETE', pathOf(channel), undefined, lead)).status, 200)
})

t.test('asking for history or for a poll shortens no wait that has a reason', async t => {
  const later = new Date(api.clock.now.getTime() + 600_000)
  const reasons = [{ poll_failures: 2 }, { resume_at: later }, { poll_turn: randomUUID() }]
  for (const reason of reasons) {
    const channel = await addBlueskyChannel({ next_poll_at: later, ...reason })
    t.equal((await start(channel, { days: 1 })).status, 202)
    t.equal((await api.call('POST', `/v1/channels/${channel.id}/poll`)).status, 202)
    has(t, await rowOf(channel), { next_poll_at: later }, JSON.stringify(reason))
  }
})

t.test('how often a network is asked is a setting of its channel, within bounds', async t => {
  const channel = await addBlueskyChannel()
  const path = `/v1/channels/${channel.id}`
  t.equal((await api.call('GET', path)).body.poll_seconds, 15)
  const changed = await api.call('PATCH', path, { poll_seconds: 60, name: 'Brand' })
  t.match([changed.status, changed.body], [200, { poll_seconds: 60, name: 'Brand' }])
  t.match((await api.call('GET', path)).body, { poll_seconds: 60, name: 'Brand', status: 'active' })
  const [event] = await api.query(`select data, previous from events where type = 'channel.updated'`)
  t.match(event, { data: { poll_seconds: 60, name: 'Brand' }, previous: { poll_seconds: 15, name: 'Bluesky' } })
  await changesNothing(t, api, async () => {
    t.equal((await api.call('PATCH', path, {})).status, 200)
    for (const poll_seconds of [4, 0, -1, 86_401, 15.5, '15', null]) {
      isProblem(t, await api.call('PATCH', path, { poll_seconds }), 422, 'validation-failed', String(poll_seconds))
    }
    for (const field of ['status', 'cursor', 'credentials', 'kind', 'inbox_id']) {
      isProblem(t, await api.call('PATCH', path, { [field]: 'x' }), 422, 'validation-failed', field)
    }
    const body = { kind: 'generic', name: 'Shop', inbox_id, poll_seconds: 1 }
    isProblem(t, await api.call('POST', '/v1/channels', body), 422, 'validation-failed', 'also when it is connected')
  })
})

t.test('an account that is let in again goes on at its cursor', async t => {
  const cursor = JSON.stringify({ head: 'somewhere' })
  const channel = await addBlueskyChannel({ status: 'disabled', status_reason: 'revoked', cursor, poll_failures: 4 })
  const path = `/v1/channels/${channel.id}/reconnect`
  const session = (did: string) => ({ did, handle: 'brand.example', accessJwt: 'a', refreshJwt: 'r' })
  const networkSays = (status: number, body: Json) => {
    api.ctx.fetch = (async () => Response.json(body, { status })) as typeof fetch
  }
  const reconnect = (app_password = 'new-password') =>
    api.call('POST', path, { credentials: { identifier: 'brand.example', app_password } })
  const before = await rowOf(channel)
  await changesNothing(t, api, async () => {
    networkSays(401, { error: 'AuthenticationRequired', message: 'Invalid password' })
    isProblem(t, await reconnect(), 422, 'validation-failed', 'a password that is wrong')
    networkSays(200, session('did:plc:somebody-else'))
    isProblem(t, await reconnect(), 422, 'validation-failed', 'the account of somebody else')
    networkSays(200, session('did:plc:brand'))
    isProblem(t, await api.call('POST', path, { credentials: {} }), 422, 'validation-failed', 'no credentials')
  })
  const answer = await reconnect()
  t.match([answer.status, answer.body], [200, { status: 'active', status_reason: null }])
  t.notMatch(answer.text, 'new-password')
  const row = await rowOf(channel)
  has(t, row, { cursor: { head: 'somewhere' }, poll_failures: 0, next_poll_at: api.clock.now, poll_turn: null })
  t.not(row.credentials_sealed.equals(before.credentials_sealed), true)
  t.ok(row.session_sealed)

  const later = new Date(api.clock.now.getTime() + 600_000)
  await api.db.inWorkspace(workspace_id, trx =>
    updateChannel(trx, channel.id, { resume_at: later, status: 'paused', poll_turn: randomUUID() }),
  )
  t.equal((await reconnect()).status, 200)
  has(t, await rowOf(channel), { next_poll_at: later, status: 'paused', poll_turn: null }, 'a window and a pause stand')
})
