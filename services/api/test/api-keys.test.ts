import t from 'tap'
import { addKey, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
const { ours } = api
const make = (body: object) => api.call('POST', '/v1/api_keys', { name: 'Robot', role: 'agent', ...body })
const me = (key: string) => api.call('GET', '/v1/me', undefined, { authorization: `Bearer ${key}` })

t.test('a key that acts as a person does no more than that person may, by now', async t => {
  const person = (await api.call('POST', '/v1/users', { name: 'Ana', role: 'lead' })).body
  isProblem(t, await make({ role: 'admin', user_id: person.id }), 422, 'validation-failed', 'above their role')
  const { key } = (await make({ role: 'lead', user_id: person.id })).body
  t.equal((await me(key)).body.role, 'lead')
  await api.query(`update users set role = 'agent' where id = '${person.id}'`)
  t.equal((await me(key)).body.role, 'agent', 'at once')
  await api.query(`update users set status = 'disabled' where id = '${person.id}'`)
  isProblem(t, await me(key), 401, 'unauthenticated', 'of somebody disabled')
  isProblem(t, await make({ user_id: person.id }), 422, 'validation-failed', 'for somebody disabled')
})

t.test('a key can be limited to inboxes, and then never opens more', async t => {
  const { id } = (await api.call('POST', '/v1/inboxes', { name: 'Shop' })).body
  isProblem(t, await make({ role: 'admin', inbox_ids: [id] }), 422, 'validation-failed', 'an administrator’s')
  const { key, inbox_ids } = (await make({ role: 'lead', inbox_ids: [id] })).body
  t.same(inbox_ids, [id])
  const headers = { authorization: `Bearer ${key}` }
  const listed = await api.call('GET', '/v1/inboxes', undefined, headers)
  t.same(
    listed.body.data.map((inbox: { id: string }) => inbox.id),
    [id],
  )
  t.equal((await api.call('GET', `/v1/inboxes/${ours.inbox_id}`, undefined, headers)).status, 404)
  t.equal((await api.call('DELETE', `/v1/inboxes/${id}`)).status, 200)
  t.same((await api.call('GET', '/v1/inboxes', undefined, headers)).body.data, [], 'nor when its inbox is gone')
})

t.test('a key that acts as a person and is limited sees what both see', async t => {
  const [a, b] = await Promise.all(
    ['A', 'B'].map(async name => (await api.call('POST', '/v1/inboxes', { name })).body.id as string),
  )
  const person = (await api.call('POST', '/v1/users', { name: 'Ben', role: 'agent' })).body
  const other = (await api.call('POST', '/v1/users', { name: 'Eva', role: 'agent' })).body
  await api.call('PUT', `/v1/inboxes/${b}/members/${other.id}`)
  const { key } = (await make({ user_id: person.id, inbox_ids: [a, b] })).body
  t.same((await me(key)).body.inbox_ids, [a])
})

t.test('a rotated key takes the place of the former one, at once or after a while', async t => {
  const first = (await make({ role: 'lead' })).body
  const second = (await api.call('POST', `/v1/api_keys/${first.id}/rotate`, { overlap_seconds: 60 })).body
  t.match(second, { name: first.name, role: 'lead', key: /^parley_/ })
  t.equal((await me(first.key)).status, 200)
  t.equal((await me(second.key)).status, 200)
  const now = api.clock.now
  api.clock.now = new Date(now.getTime() + 60_000)
  t.equal((await me(first.key)).status, 401)
  const third = (await api.call('POST', `/v1/api_keys/${second.id}/rotate`, {})).body
  t.equal((await me(second.key)).status, 401)
  t.equal((await me(third.key)).status, 200)
  isProblem(t, await api.call('POST', `/v1/api_keys/${second.id}/rotate`, {}), 409, 'conflict', 'one that has ended')
  api.clock.now = now
})

t.test('when a key was last used is known to the minute, and costs no write for each call', async t => {
  const { key, id } = await addKey(api.db, ours.workspace_id, 'agent')
  const usedAt = async () => (await api.query(`select last_used_at, xmin::text from api_keys where id = '${id}'`))[0]
  await me(key)
  t.equal((await usedAt()).last_used_at, null, 'not in the way of the answer')
  await api.app.credentialUses.flush()
  const first = await usedAt()
  t.same(first.last_used_at, api.clock.now)
  for (const seconds of [10, 20, 30]) {
    api.clock.now = new Date(api.clock.now.getTime() + seconds)
    await me(key)
    await api.app.credentialUses.flush()
  }
  t.same(await usedAt(), first, 'within a minute nothing is written')
  api.clock.now = new Date(api.clock.now.getTime() + 60_000)
  await me(key)
  await api.app.credentialUses.flush()
  t.same((await usedAt()).last_used_at, api.clock.now)
})
