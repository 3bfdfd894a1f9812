import { appendEvents } from '@parley/db'
import { until } from '@parley/testing'
import t, { type Test } from 'tap'
import { addChannel, addConversation, addKey, atOnce, type Tenant, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'
import { followStream } from './streams.ts'

const api = await testApi(t, { streams: { heartbeatMs: 100 } })
const { ours, theirs } = api
const { url: mainUrl } = await api.listen()

const follow = (t: Test, options: Partial<Parameters<typeof followStream>[1]> = {}) =>
  followStream(t, { url: mainUrl, key: ours.key, ...options })

/** Writes events as work does: several at once, in transactions that overlap. */
const write = (count: number, padding = '', tenant: Tenant = ours) =>
  atOnce(count, index =>
    api.db
      .inWorkspace(tenant.workspace_id, async trx => {
        const at = new Date()
        await appendEvents(trx, [
          { type: 'event.parked', at, actor: { type: 'system', id: null }, data: { index, padding } },
        ])
        await new Promise(resolve => setTimeout(resolve, Math.random() * 5))
      })
      .then(() => api.ctx.wakeUps.publish(tenant.workspace_id)),
  )
const stored = async (): Promise<string[]> =>
  (
    await api.query(
      `select xact || '-' || seq as id from events where workspace_id = '${ours.workspace_id}' order by xact, seq`,
    )
  ).map(({ id }) => id)

t.test('a stream begins with what happens from now on, and tells each event once, in order', async t => {
  await write(3)
  const before = await stored()
  const stream = await follow(t)
  for (let round = 0; round < 5; round += 1) await write(8)
  await write(5, '', theirs)
  const expected = (await stored()).slice(before.length)
  await until('everything has come', async () => stream.ids().length >= expected.length)
  t.same(stream.ids(), expected)
  for (const event of stream.events()) t.equal(event.workspace_id, ours.workspace_id)
  const feed = await api.call('GET', `/v1/events?after=${before.at(-1)}&limit=100`)
  t.same(stream.events(), feed.body.data, 'stream and feed tell the same')
})

t.test('a reader who comes back again and again while others write misses nothing and hears nothing twice', async t => {
  const from = (await stored()).at(-1)!
  let writing = true
  const writer = (async () => {
    for (let round = 0; round < 20; round += 1) await write(6)
    writing = false
  })()
  const heard: string[] = []
  while (writing || heard.length < 120) {
    const stream = await follow(t, { lastEventId: heard.at(-1) ?? from })
    const wanted = 1 + Math.floor(Math.random() * 20)
    await until('some have come', async () => stream.ids().length >= Math.min(wanted, 120 - heard.length))
    stream.close()
    heard.push(...stream.ids())
  }
  await writer
  const all = await stored()
  t.same(heard, all.slice(all.indexOf(from) + 1))
})

t.test('many streams of one workspace all get everything', async t => {
  const before = await stored()
  const streams = await atOnce(20, () => follow(t))
  await write(30)
  const expected = (await stored()).slice(before.length)
  for (const stream of streams) {
    await until('it has come', async () => stream.ids().length >= 30)
    t.same(stream.ids(), expected)
  }
})

t.test('a slow reader gets everything later, and keeps nobody waiting', async t => {
  const before = await stored()
  const slow = await follow(t, { paused: true })
  const quick = await follow(t)
  // More than the sockets' buffers hold.
  for (let round = 0; round < 12; round += 1) await write(50, 'x'.repeat(20_000))
  const expected = (await stored()).slice(before.length)
  await until('the quick one has it', async () => quick.ids().length >= expected.length)
  slow.resume()
  await until('the slow one has it', async () => slow.ids().length >= expected.length)
  t.same(slow.ids(), expected)
  t.same(quick.ids(), expected)
})

t.test('a stream ends when its key does', async t => {
  const { key, id } = await addKey(api.db, ours.workspace_id, 'agent')
  const expires_at = new Date(api.clock.now.getTime() + 60_000)
  const expiring = await addKey(api.db, ours.workspace_id, 'agent', { expires_at })
  const [revoked, expired, kept] = await Promise.all([follow(t, { key }), follow(t, { key: expiring.key }), follow(t)])
  await api.call('DELETE', `/v1/api_keys/${id}`)
  await revoked.ended
  api.clock.now = expires_at
  await expired.ended
  const seen = kept.ids().length
  await write(1)
  await until('the other goes on', async () => kept.ids().length > seen)
  await t.rejects(follow(t, { key }), { message: 'answered 401' }, 'and it does not open again')
})

t.test('a stream tells what its reader sees by now, and ends when its key does, not at the next heartbeat', async t => {
  const patient = await testApi(t, { streams: { heartbeatMs: 3_600_000 } })
  const { url } = await patient.listen()
  const channel = await addChannel(patient)
  const conversation = await addConversation(patient, patient.ours, channel)
  const note = () => patient.call('POST', `/v1/conversations/${conversation.id}/notes`, { body: 'Hello' })
  const reader = await addKey(patient.db, patient.ours.workspace_id, 'agent')
  const stream = await follow(t, { key: reader.key, url })
  // Where it begins is a little early while another transaction is open somewhere on the server.
  const types = () => stream.events().flatMap(({ type }) => (type === 'channel.connected' ? [] : [type]))
  await note()
  await until('the note is told', async () => types().includes('note.created'))
  const member = await addKey(patient.db, patient.ours.workspace_id, 'agent')
  await patient.call('PUT', `/v1/inboxes/${patient.ours.inbox_id}/members/${member.user_id}`)
  await note()
  await patient.call('POST', '/v1/teams', { name: 'Mornings' })
  await until('what concerns everybody is told', async () => types().includes('team.created'))
  t.same(types(), ['note.created', 'team.created'], 'and nothing of an inbox that was closed meanwhile')
  await patient.call('DELETE', `/v1/api_keys/${reader.id}`)
  await stream.ended
})

t.test('a reader that the database fails for a moment goes on where it was', async t => {
  const before = await stored()
  const streams = await atOnce(3, () => follow(t))
  const terminate = `select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'parley' and usename = 'parley_owner'`
  for (let round = 0; round < 5; round += 1) {
    // Each one by itself: all have to be over before what is stored can be compared.
    const writes = Array.from({ length: 5 }, () => write(1))
    await Promise.allSettled([...writes, api.query(terminate)])
  }
  await until('the pool has recovered', () =>
    write(1).then(
      () => true,
      () => false,
    ),
  )
  const expected = (await stored()).slice(before.length)
  for (const stream of streams) {
    await until('it has come', async () => stream.ids().length >= expected.length)
    t.same(stream.ids(), expected)
  }
})

t.test('a stream is for members, from a place that there is', async t => {
  for (const id of ['x', '1', '0-', 'a'.repeat(5000), "1-1' or 1=1", `${'9'.repeat(20)}-0`]) {
    const answer = await api.call('GET', '/v1/events/stream', undefined, { 'last-event-id': id })
    isProblem(t, answer, 400, 'invalid-cursor', id.slice(0, 20))
  }
  isProblem(t, await api.inject({ method: 'GET', url: '/v1/events/stream' }), 401, 'unauthenticated', 'no key')
  const inQuery = await api.inject({ method: 'GET', url: `/v1/events/stream?key=${ours.key}` })
  isProblem(t, inQuery, 401, 'unauthenticated', 'a key in the query')
  isProblem(t, await api.call('GET', '/v1/events/stream?after=1-1'), 400, 'invalid-request', 'a query')
  t.equal((await api.call('HEAD', '/v1/events/stream')).status, 404, 'HEAD would hold it open')
})

t.test('a reader that takes nothing for long is closed, and comes back without a gap', async t => {
  const strict = await testApi(t, { streams: { heartbeatMs: 100, stallMs: 300 } })
  const { url } = await strict.listen()
  const slow = await followStream(t, { url, key: strict.ours.key, paused: true })
  const padding = 'x'.repeat(20_000)
  const write = (index: number) =>
    strict.db.inWorkspace(strict.ours.workspace_id, trx =>
      appendEvents(trx, [
        { type: 'event.parked', at: new Date(), actor: { type: 'system', id: null }, data: { index, padding } },
      ]),
    )
  for (let index = 0; index < 600; index += 1) await write(index)
  const connections = () =>
    new Promise<number>((resolve, reject) =>
      strict.app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    )
  await until('it is closed', async () => (await connections()) === 0)
  slow.resume()
  await slow.ended
  const heard = slow.ids()
  const stored = await strict.query(`select xact || '-' || seq as id from events
    where type = 'event.parked' order by xact, seq`)
  const expected = stored.map(({ id }) => id)
  t.ok(heard.length < expected.length, 'not everything was kept for it')
  const back = await followStream(t, { url, key: strict.ours.key, lastEventId: heard.at(-1) })
  await until('the rest has come', async () => heard.length + back.ids().length >= expected.length)
  t.same([...heard, ...back.ids()], expected)
})

t.test('one key cannot open more streams than it may, nor all of a workspace together', async t => {
  const small = await testApi(t, { streams: { maxPerCredential: 2, maxPerWorkspace: 3 } })
  const { url } = await small.listen()
  const other = await addKey(small.db, small.ours.workspace_id, 'agent')
  const open = (key: string) => followStream(t, { url, key })
  const refused = async (key: string, what: string) => {
    const answer = await small.inject({
      method: 'GET',
      url: '/v1/events/stream',
      headers: { authorization: `Bearer ${key}` },
    })
    isProblem(t, answer, 429, 'too-many-streams', what)
    t.equal(answer.headers['retry-after'], '10')
  }
  const first = await open(small.ours.key)
  await open(small.ours.key)
  await refused(small.ours.key, 'a third of the same key')
  await open(other.key)
  await refused(other.key, 'a fourth of the workspace')
  await open(small.theirs.key)
  first.close()
  await until('there is room again', () =>
    open(other.key).then(
      () => true,
      () => false,
    ),
  )
})
