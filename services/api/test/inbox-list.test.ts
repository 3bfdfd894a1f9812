import { has } from '@parley/testing'
import t from 'tap'
import { addChannel, addConversation, addKey, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
const { ours } = api
const channel = await addChannel(api)
const get = async (path: string, headers = {}) => (await api.call('GET', path, undefined, headers)).body
const ids = (body: Json) => body.data.map(({ id }: Json) => id)
const person = async () => {
  const { key, user_id } = await addKey(api.db, ours.workspace_id, 'agent')
  return { id: user_id!, headers: { authorization: `Bearer ${key}` } }
}
const [ana, bo] = [await person(), await person()]
const nobody = await addKey(api.db, ours.workspace_id, 'admin', { person: false })
const asNobody = { authorization: `Bearer ${nobody.key}` }
const open = (minutes: number, options = {}) =>
  addConversation(api, ours, channel, { at: new Date(api.clock.now.getTime() - minutes * 60_000), ...options })
const change = async (id: string, patch: Json) => {
  const { etag } = (await api.call('GET', `/v1/conversations/${id}`)).headers
  return api.call('PATCH', `/v1/conversations/${id}`, patch, { 'if-match': String(etag) })
}

t.test('a snoozed conversation says until when, and a time alone or in the past is refused', async t => {
  const { id } = await open(10)
  const later = new Date(api.clock.now.getTime() + 3_600_000).toISOString()
  isProblem(t, await change(id, { status: 'snoozed' }), 422, 'validation-failed', 'no time')
  isProblem(t, await change(id, { snoozed_until: later }), 422, 'validation-failed', 'a time alone')
  isProblem(t, await change(id, {}), 422, 'validation-failed', 'nothing')
  const past = { status: 'snoozed', snoozed_until: '2020-01-01T00:00:00Z' }
  isProblem(t, await change(id, past), 422, 'validation-failed', 'in the past')
  isProblem(t, await change(id, { ...past, snoozed_until: '9999-01-01T00:00:00Z' }), 422, 'validation-failed', 'far')
  const { body } = await change(id, { status: 'snoozed', snoozed_until: later, priority: 'high' })
  has(t, body, { status: 'snoozed', snoozed_until: later, priority: 'high' })
  has(t, (await change(id, { status: 'open' })).body, { status: 'open', snoozed_until: null })
  const { data } = await get(`/v1/conversations/${id}/timeline`)
  t.match(data, [
    { type: 'conversation.snoozed', data: { status: 'snoozed', priority: 'high' }, previous: { status: 'open' } },
    { type: 'conversation.updated', data: { status: 'open' } },
  ])
})

t.test('a tag is one whatever its case, and filters the list', async t => {
  const { id } = await open(20)
  const other = await open(21)
  t.match((await api.call('PUT', `/v1/conversations/${id}/tags/Refund`)).body, { data: [{ name: 'Refund' }] })
  t.match((await api.call('PUT', `/v1/conversations/${id}/tags/refund`)).body.data.length, 1)
  t.match((await api.call('PUT', `/v1/conversations/${id}/tags/${encodeURIComponent('Größe 4')}`)).body.data.length, 2)
  await api.call('PUT', `/v1/conversations/${other.id}/tags/REFUND`)
  t.same(ids(await get('/v1/conversations?tag=reFund')), [id, other.id])
  t.same(ids(await get(`/v1/conversations?tag=refund&tag=${encodeURIComponent('GRÖSSE 4')}`)), [id])
  isProblem(t, await api.call('GET', '/v1/conversations?tag=nowhere'), 422, 'validation-failed', 'unknown')
  isProblem(t, await api.call('POST', '/v1/tags', { name: 'ＲＥＦＵＮＤ' }), 409, 'conflict', 'the same, written wide')
  const tag = (await get('/v1/tags')).data.find(({ name }: Json) => name === 'Refund')
  t.match((await api.call('PATCH', `/v1/tags/${tag.id}`, { name: 'REFUND', color: '#3b6ea8' })).body, {
    name: 'REFUND',
  })
  isProblem(t, await api.call('PATCH', `/v1/tags/${tag.id}`, { name: 'Money' }), 422, 'validation-failed', 'renamed')
  t.equal((await api.call('DELETE', `/v1/conversations/${other.id}/tags/refund`)).status, 200)
  t.same(ids(await get('/v1/conversations?tag=refund')), [id])
  await api.call('PATCH', `/v1/tags/${tag.id}`, { archived: true })
  const archived = await api.call('PUT', `/v1/conversations/${other.id}/tags/refund`)
  isProblem(t, archived, 409, 'conflict', 'archived')
  t.match((await get('/v1/conversations?tag=refund&include=tags')).data, [
    { id, tags: [{ name: 'Größe 4' }, { name: 'REFUND', color: '#3b6ea8' }] },
  ])
})

t.test('what a list includes is read once for the page, and nothing else is', async t => {
  const asked = await open(1, { messages: 3 })
  await api.call('POST', `/v1/conversations/${asked.id}/notes`, { body: 'For us' })
  const [plain] = (await get('/v1/conversations?limit=1')).data
  t.same(
    ['last_message', 'sla', 'tags', 'read_at'].map(field => field in plain),
    [false, false, false, false],
  )
  const path = '/v1/conversations?limit=2&include=last_message,sla,tags,read'
  const [listed] = (await get(path, ana.headers)).data
  has(t, listed, { id: asked.id, last_message: { id: asked.messages.at(-1) }, sla: [], tags: [], read_at: null })
  isProblem(t, await api.call('GET', '/v1/conversations?include=secrets'), 422, 'validation-failed', 'unknown')
})

t.test('what one person has read is unread to another, and again when somebody writes', async t => {
  const { id, messages } = await open(2, { messages: 2 })
  const unread = async (person: typeof ana) => ids(await get('/v1/conversations?unread=true&limit=100', person.headers))
  t.ok((await unread(ana)).includes(id))
  const read = (body: Json, headers = ana.headers) => api.call('PUT', `/v1/conversations/${id}/read`, body, headers)
  t.equal((await read({ up_to: messages[0] })).status, 200)
  t.ok((await unread(ana)).includes(id), 'the last one is still unread')
  t.equal((await read({})).status, 200)
  t.equal((await read({ up_to: messages[0] })).status, 200, 'reading the beginning again unreads nothing')
  t.notOk((await unread(ana)).includes(id))
  t.ok((await unread(bo)).includes(id))
  isProblem(t, await read({ up_to: id }), 422, 'validation-failed', 'no message of it')
  isProblem(t, await read({}, asNobody), 422, 'validation-failed', 'nobody reads')
  const list = await api.call('GET', '/v1/conversations?unread=true', undefined, asNobody)
  isProblem(t, list, 422, 'validation-failed', 'nobody reads')
})

t.test('a view lists and counts what its filter says, to those it is for', async t => {
  const mine = await open(3)
  await api.call('PUT', `/v1/conversations/${mine.id}/assignee`, { assignee_id: ana.id, from: null })
  const filter = { assignee_id: 'me', status: ['open', 'pending'] }
  const saved = await api.call('POST', '/v1/views', { name: 'Mine', filter, sort: 'urgency' }, ana.headers)
  has(t, saved, { status: 201, body: { name: 'Mine', scope: 'personal', filter, sort: 'urgency', version: 1 } })
  const path = `/v1/views/${saved.body.id}`
  t.same(ids(await get(`${path}/conversations`, ana.headers)), [mine.id])
  isProblem(t, await api.call('GET', path, undefined, bo.headers), 404, 'not-found', 'not his')
  isProblem(t, await api.call('GET', `${path}/conversations`, undefined, bo.headers), 404, 'not-found', 'not his')

  const all = { name: 'Nobody’s', scope: 'workspace', filter: { assignee_id: 'none', status: ['open'] } }
  isProblem(t, await api.call('POST', '/v1/views', all, ana.headers), 403, 'forbidden', 'an agent')
  const shared = (await api.call('POST', '/v1/views', all)).body
  const open_count = (await get('/v1/conversations/count?assignee_id=none&status=open')).count
  const views = (await get('/v1/views?include=count', ana.headers)).data
  const byName = (a: Json, b: Json) => a.name.localeCompare(b.name)
  has(t, views.toSorted(byName), [
    { name: 'Mine', count: { count: 1, at_least: false } },
    { name: 'Nobody’s', count: { count: open_count, at_least: false } },
  ])
  t.ok(open_count > 0)
  const match = { 'if-match': '"1"' }
  const changed = await api.call('PATCH', path, { filter: { status: ['resolved'] } }, { ...ana.headers, ...match })
  has(t, changed, { status: 200, body: { version: 2, filter: { status: ['resolved'] } } })
  t.equal((await api.call('PATCH', path, { name: 'x' }, { ...ana.headers, ...match })).status, 412)
  t.same(ids(await get(`${path}/conversations`, ana.headers)), [])
  isProblem(t, await api.call('DELETE', `/v1/views/${shared.id}`, undefined, bo.headers), 403, 'forbidden', 'an agent')
  t.equal((await api.call('DELETE', path, undefined, ana.headers)).status, 200)
  isProblem(t, await api.call('GET', path, undefined, ana.headers), 404, 'not-found', 'gone')
})

t.test('a view that could list nothing is refused when it is saved', async t => {
  const save = (filter: Json) => api.call('POST', '/v1/views', { name: 'x', scope: 'workspace', filter })
  const nowhere = '00000000-0000-7000-8000-000000000000'
  for (const filter of [
    { inbox_id: [nowhere] },
    { inbox_id: [api.theirs.inbox_id] },
    { tag: ['nowhere'] },
    { status: ['closed'] },
    { status: [] },
    { waiting: false },
    { colour: 'red' },
  ])
    isProblem(t, await save(filter), 422, 'validation-failed', JSON.stringify(filter))
})
