import { newId } from '@parley/db'
import { has } from '@parley/testing'
import t from 'tap'
import { addChannel, addKey, addParked, atOnce, type Json, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const lead = await addKey(api.db, api.ours.workspace_id, 'lead')
const agent = await addKey(api.db, api.ours.workspace_id, 'agent')
const by = (key: string, more: Record<string, string> = {}) => ({ authorization: `Bearer ${key}`, ...more })

const stateOf = async (id: string): Promise<Json> =>
  (
    await api.query(
      `select state, attempts, parked_payload, error, processed_at from inbound_events where id = '${id}'`,
    )
  )[0]
const logOf = (id: string) =>
  api.query(
    `select type, actor_type, actor_id, data from events where data->>'inbound_event_id' = '${id}' order by seq`,
  )
const parkedIn = async (channel: { id: string }) => {
  const { body } = await api.call('GET', `/v1/channels/${channel.id}/parked?limit=100`)
  return body.data.map(({ id }: Json) => id)
}
/** `count` parked events, a second apart, oldest first. */
const addMany = async (channel: { id: string }, count: number) => {
  const ids: string[] = []
  for (let index = 0; index < count; index += 1) {
    const at = new Date(api.clock.now.getTime() - (count - index) * 1000)
    ids.push(await addParked(api, api.ours, channel, at))
  }
  return ids
}

t.test(
  'a parked event is tried again with all its attempts and its payload, and the log knows who wanted it',
  async t => {
    const channel = await addChannel(api)
    const id = await addParked(api, api.ours, channel)
    await api.query(`update inbound_events set attempts = 3 where id = '${id}'`)
    const path = `/v1/channels/${channel.id}/parked/${id}/retry`
    const answer = await api.call('POST', path, undefined, by(lead.key))
    t.equal(answer.status, 202)
    has(t, answer.body, { id, channel_id: channel.id, state: 'pending', attempts: 0 })
    t.notOk('payload' in answer.body)
    has(t, await stateOf(id), { state: 'pending', attempts: 0, parked_payload: { some: 'payload' } })
    const data = { inbound_event_id: id, channel_id: channel.id, reason: 'The payload has no author.' }
    const log = await logOf(id)
    t.equal(log.length, 1)
    has(t, log, [{ type: 'event.retried', actor_type: 'user', actor_id: lead.user_id, data }])
    t.same(await parkedIn(channel), [])
  },
)

t.test('a discarded event leaves the list, stays explainable and never comes back', async t => {
  const channel = await addChannel(api)
  const id = await addParked(api, api.ours, channel)
  const path = `/v1/channels/${channel.id}/parked/${id}/discard`
  const answer = await api.call('POST', path, undefined, by(lead.key))
  t.equal(answer.status, 200)
  has(t, answer.body, { id, state: 'discarded', error: 'The payload has no author.' })
  has(t, await stateOf(id), {
    state: 'discarded',
    error: 'The payload has no author.',
    parked_payload: { some: 'payload' },
    processed_at: api.clock.now,
  })
  has(t, await logOf(id), [{ type: 'event.discarded', actor_type: 'user', actor_id: lead.user_id }])
  t.same(await parkedIn(channel), [])
  const retry = await api.call('POST', path.replace('discard', 'retry'))
  isProblem(t, retry, 409, 'conflict', 'retried after all')
  t.equal(retry.body.state, 'discarded')
})

t.test('who comes second is told what became of it, and changes nothing', async t => {
  const channel = await addChannel(api)
  const id = await addParked(api, api.ours, channel)
  const path = `/v1/channels/${channel.id}/parked/${id}`
  const answers = await atOnce(10, index => api.call('POST', `${path}/${index % 2 ? 'retry' : 'discard'}`))
  t.equal(answers.filter(({ status }) => status < 300).length, 1)
  const { state } = await stateOf(id)
  for (const answer of answers.filter(({ status }) => status >= 300)) {
    isProblem(t, answer, 409, 'conflict', 'too late')
    t.equal(answer.body.state, state)
  }
  t.equal((await logOf(id)).length, 1)
  for (const now of ['pending', 'done', 'ignored']) {
    await api.query(`update inbound_events set state = '${now}' where id = '${id}'`)
    for (const verb of ['retry', 'discard']) {
      const answer = await api.call('POST', `${path}/${verb}`)
      isProblem(t, answer, 409, 'conflict', `${verb} of one that is ${now}`)
      t.equal(answer.body.state, now)
    }
  }
})

t.test('an event of another channel is not there, also within the workspace', async t => {
  const [channel, other] = [await addChannel(api), await addChannel(api)]
  const id = await addParked(api, api.ours, other)
  await changesNothing(t, api, async () => {
    for (const verb of ['retry', 'discard']) {
      isProblem(t, await api.call('POST', `/v1/channels/${channel.id}/parked/${id}/${verb}`), 404, 'not-found', verb)
    }
    const path = `/v1/channels/${channel.id}/parked/retry`
    const { body } = await api.call('POST', path, { ids: [id] })
    t.same(body.data, [{ id, outcome: 'not_found', state: null }])
  })
  t.equal((await stateOf(id)).state, 'parked')
})

t.test('named events are decided one by one, and each has its outcome', async t => {
  const channel = await addChannel(api)
  const [a, b, c] = (await addMany(channel, 3)) as [string, string, string]
  const nowhere = newId(api.clock.now)
  await api.query(`update inbound_events set state = 'done' where id = '${b}'`)
  const path = `/v1/channels/${channel.id}/parked/discard`
  const { status, body } = await api.call('POST', path, { ids: [c, b, nowhere, c] }, by(lead.key))
  t.equal(status, 200)
  t.same(body, {
    data: [
      { id: c, outcome: 'changed', state: 'discarded' },
      { id: b, outcome: 'not_parked', state: 'done' },
      { id: nowhere, outcome: 'not_found', state: null },
    ],
    next_after: null,
    left: { count: 1, at_least: false },
  })
  t.equal((await logOf(c)).length, 1)
  t.equal((await logOf(b)).length, 0)
  t.same(await parkedIn(channel), [a])
})

t.test('all of them go in parts, each event once, also when it is parked again meanwhile', async t => {
  const channel = await addChannel(api)
  const entries = `insert into inbound_events (workspace_id, id, channel_id, dedup_key, received_at, state, parked_payload)
    select '${api.ours.workspace_id}', (lpad(to_hex(1700000000000 + n), 12, '0') || '70008000' || lpad(n::text, 12, '0'))::uuid,
      '${channel.id}', n::text, to_timestamp((1700000000000 + n) / 1000.0), 'parked', '{}' from generate_series(1, 1100) n`
  await api.query(entries)
  const path = `/v1/channels/${channel.id}/parked/retry`
  const seen: string[] = []
  const left: Json[] = []
  let after: string | null | undefined
  do {
    const { status, body } = await api.call('POST', path, { all: true, ...(after ? { after } : {}) })
    t.equal(status, 202)
    seen.push(...body.data.map(({ id }: Json) => id))
    left.push(body.left)
    after = body.next_after
    // The worker is quick, and the first one fails again.
    await api.query(`update inbound_events set state = 'parked' where id = '${seen[0]}'`)
  } while (after && left.length < 10)
  t.same(
    left.map(({ count }) => count),
    [600, 100, 0],
  )
  t.equal(new Set(seen).size, 1100)
  t.equal(seen.length, 1100)
  const [{ states }] = await api.query(
    `select array_agg(distinct state order by state) as states from inbound_events where channel_id = '${channel.id}'`,
  )
  t.same(states, ['parked', 'pending'])
})

t.test('all before an instant are those received before it', async t => {
  const channel = await addChannel(api)
  const ids = await addMany(channel, 4)
  const before = new Date(api.clock.now.getTime() - 2_000)
  const path = `/v1/channels/${channel.id}/parked/discard`
  const { body } = await api.call('POST', path, { all: true, before: before.toISOString() })
  t.same(
    body.data.map(({ id }: Json) => id),
    ids.slice(0, 2),
  )
  t.same([body.next_after, body.left], [null, { count: 0, at_least: false }])
  t.same(await parkedIn(channel), ids.slice(2))
})

t.test('a repeat with the same key has no second effect', async t => {
  const channel = await addChannel(api)
  const id = await addParked(api, api.ours, channel)
  const headers = by(lead.key, { 'idempotency-key': 'retry-it-once' })
  const path = `/v1/channels/${channel.id}/parked/${id}/retry`
  const first = await api.call('POST', path, undefined, headers)
  const second = await api.call('POST', path, undefined, headers)
  t.same([first.status, second.status], [202, 202])
  t.equal(second.text, first.text)
  t.equal((await logOf(id)).length, 1)
})

t.test('a selection that is neither a list nor all is refused, and so is who may not decide', async t => {
  const channel = await addChannel(api)
  const id = await addParked(api, api.ours, channel)
  const bad: Json[] = [
    ...[{}, { ids: [] }, { ids: ['x'] }, { ids: [id.toUpperCase()] }, { ids: id }, { ids: [null] }, { all: false }],
    ...[{ all: 'true' }, { all: true, ids: [id] }, { ids: [id], before: '2026-01-01T00:00:00Z' }],
    ...['2026-02-30T00:00:00Z', 'now', '2026-01-01', 1767225600].map(before => ({ all: true, before })),
    ...[{ all: true, after: 'x' }, { all: true, limit: 5 }, [], 'all', null],
    { ids: Array.from({ length: 501 }, () => newId(api.clock.now)) },
  ]
  await changesNothing(t, api, async () => {
    for (const verb of ['retry', 'discard']) {
      const path = `/v1/channels/${channel.id}/parked`
      for (const body of bad) {
        const answer = await api.call('POST', `${path}/${verb}`, JSON.stringify(body), {
          'content-type': 'application/json',
        })
        isProblem(t, answer, 422, 'validation-failed', `${verb} ${JSON.stringify(body).slice(0, 80)}`)
      }
      for (const [where, body] of [
        [`${path}/${verb}`, { ids: [id] }],
        [`${path}/${id}/${verb}`, undefined],
      ] as const) {
        isProblem(t, await api.call('POST', where, body, by(agent.key)), 403, 'forbidden', where)
      }
    }
    const list = await api.call('GET', `/v1/channels/${channel.id}/parked`, undefined, by(agent.key))
    t.same(
      list.body.data.map((row: Json) => row.id),
      [id],
    )
  })
})
