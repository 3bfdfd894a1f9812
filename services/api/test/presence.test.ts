import { readFileSync } from 'node:fs'
import { openWakeUps } from '@parley/queue'
import { until } from '@parley/testing'
import t from 'tap'
import { buildApp } from '../src/app.ts'
import { createEventStreams } from '../src/event-streams.ts'
import { follow } from './doc-examples.ts'
import { addChannel, addConversation, addKey, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'
import { followStream } from './streams.ts'

const api = await testApi(t)
const { ours } = api
const { url } = await api.listen()
const { id } = await addConversation(api, ours, await addChannel(api))
const [ana, ben, outsider] = await Promise.all([
  addKey(api.db, ours.workspace_id, 'agent'),
  addKey(api.db, ours.workspace_id, 'agent'),
  addKey(api.db, ours.workspace_id, 'agent'),
])
const path = `/v1/conversations/${id}/presence`
const as = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` })
const say = async (who: { key: string }, state: string) => (await api.call('PUT', path, { state }, as(who))).body.data
const leave = async (who: { key: string }) => (await api.call('DELETE', path, undefined, as(who))).body.data
const there = async () => (await api.call('GET', path, undefined, as(ana))).body.data
const later = (ms: number) => {
  api.clock.now = new Date(api.clock.now.getTime() + ms)
}
const rows = async (): Promise<Json[]> =>
  api.query(`select xmin::text, * from presence where conversation_id = '${id}'`)

/** A second process of the API on the same database. */
async function secondProcess() {
  const backend = { kind: 'postgres' as const, url: api.db.pool.options.connectionString! }
  const wakeUps = openWakeUps(backend)
  const streams = createEventStreams({ db: api.db, wakeUps, now: api.ctx.now, onError: error => t.error(error) })
  const app = await buildApp({ ...api.ctx, wakeUps, streams })
  t.teardown(async () => {
    streams.close()
    await app.close()
    await wakeUps.close()
  })
  return app.listen({ port: 0, host: '127.0.0.1' })
}

t.test('two people see each other before both answer, and that one types', async t => {
  t.match(await say(ana, 'viewing'), [{ user_id: ana.user_id, state: 'viewing', typing_until: null }])
  const both = await say(ben, 'typing')
  const expected = [
    { user_id: ana.user_id, state: 'viewing' },
    { user_id: ben.user_id, state: 'typing' },
  ]
  t.match(
    both,
    expected.toSorted((a, b) => (a.user_id! < b.user_id! ? -1 : 1)),
  )
  t.same(await there(), both)
  t.match(await leave(ben), [{ user_id: ana.user_id }])
  t.match(await leave(ben), [{ user_id: ana.user_id }], 'leaving again changes nothing')
  await leave(ana)
})

t.test('typing turns into viewing after ten seconds, and viewing ends after thirty', async t => {
  await say(ana, 'typing')
  later(10_000)
  t.match(await there(), [{ state: 'viewing', typing_until: null }])
  later(19_999)
  t.equal((await there()).length, 1)
  later(1)
  t.same(await there(), [])
})

t.test('who keeps saying the same writes nothing until half of the time is over', async t => {
  await say(ana, 'typing')
  const [written] = await rows()
  for (let key = 0; key < 4; key += 1) {
    later(1_000)
    await say(ana, 'typing')
  }
  t.equal((await rows())[0].xmin, written.xmin)
  later(1_001)
  await say(ana, 'typing')
  const [again] = await rows()
  t.not(again.xmin, written.xmin)
  await say(ana, 'viewing')
  t.not((await rows())[0].xmin, again.xmin, 'another state is written at once')
  await leave(ana)
  t.same(await rows(), [])
})

t.test('streams of every process are told, and only those of people who see the inbox', async t => {
  const other = await secondProcess()
  const closed = await api.call('POST', '/v1/inboxes', { name: 'Closed' })
  for (const { user_id } of [ana, ben]) await api.call('PUT', `/v1/inboxes/${closed.body.id}/members/${user_id}`)
  const hidden = await addConversation(
    api,
    { ...ours, inbox_id: closed.body.id },
    await addChannel(api, { ...ours, inbox_id: closed.body.id }),
  )
  const [here, there, without, foreign] = await Promise.all([
    followStream(t, { url, key: ben.key }),
    followStream(t, { url: other, key: ben.key }),
    followStream(t, { url, key: outsider.key }),
    followStream(t, { url, key: api.theirs.key }),
  ])
  const seen = await say(ana, 'viewing')
  await until('it is told', async () => here.presence().length > 0 && there.presence().length > 0)
  const told = { ...seen[0], workspace_id: ours.workspace_id, conversation_id: id, inbox_id: ours.inbox_id }
  t.same(here.presence(), [told])
  t.same(there.presence(), [told])
  const secret = `/v1/conversations/${hidden.id}/presence`
  t.equal((await api.call('PUT', secret, { state: 'viewing' }, as(ana))).status, 200)
  isProblem(t, await api.call('PUT', secret, { state: 'viewing' }, as(outsider)), 404, 'not-found', 'unseen')
  await leave(ana)
  await until('leaving is told', async () => without.presence().some(({ state }) => state === 'away'))
  await until('the other process tells it too', async () => there.presence().length === 3)
  t.same(
    without.presence().map(({ state }) => state),
    ['viewing', 'away'],
    'and nothing of the closed inbox',
  )
  t.same(
    there.presence().map(({ conversation_id }) => conversation_id),
    [id, hidden.id, id],
  )
  t.same(foreign.presence(), [])
  const ids = here.ids()
  t.same(ids, [...new Set(ids)], 'the log goes on beside it')
})

t.test('a person says where they are, and nothing else than that', async t => {
  const integration = (await api.call('POST', '/v1/api_keys', { name: 'Robot', role: 'agent' })).body
  const answer = await api.call('PUT', path, { state: 'viewing' }, as(integration))
  isProblem(t, answer, 422, 'validation-failed', 'a key of nobody')
  const away = await api.call('PUT', path, { state: 'away' }, as(ana))
  t.match(away, { status: 422, body: { errors: [{ pointer: '/state' }] } })
  t.same(await there(), [])
})

t.test('the requests of the page about real time are answered as it says', async t => {
  const page = readFileSync(new URL('../../../docs/realtime.md', import.meta.url), 'utf8')
  const person = {
    ...api,
    call: (method: string, path: string, body?: unknown) => api.call(method, path, body, as(ana)),
  }
  const answers = await follow(t, person, page, { conversation_id: id })
  t.match(answers, [{ data: [{ state: 'typing' }] }, { data: [{ state: 'typing' }] }, { data: [] }])
})
