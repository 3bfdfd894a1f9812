import t from 'tap'
import { addChannel, addKey, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'
import { addPerson, as, PASSWORD, signIn } from './sign-in.ts'

const api = await testApi(t)
const audit = async (query = '') => (await api.call('GET', `/v1/audit${query}`)).body
const types = async (query = '') => (await audit(query)).data.map(({ type }: Json) => type)

t.test('what people and keys do, and sign-ins that fail, is told to administrators, newest first', async t => {
  const { id, email } = await addPerson(api)
  await signIn(api, { email, password: 'not her password' })
  const { token } = (await signIn(api, { email, password: PASSWORD })).body
  await as(api, token)('DELETE', '/v1/sessions/current')
  const key = (await api.call('POST', '/v1/api_keys', { name: 'Robot', role: 'agent' })).body
  await api.call('DELETE', `/v1/api_keys/${key.id}`)
  const channel = await addChannel(api)
  await api.call('POST', `/v1/channels/${channel.id}/reconnect`, {
    credentials: { bearer_secret: 'another-secret-of-the-shop' },
  })
  await api.call('PATCH', `/v1/users/${id}`, { role: 'lead' })
  await api.call('PATCH', `/v1/users/${id}`, { status: 'disabled' })
  const invitation = (await api.call('POST', '/v1/invitations', { email: 'ben@example.com', role: 'agent' })).body
  await api.call('DELETE', `/v1/invitations/${invitation.id}`)
  t.same(await types(), [
    'invitation.revoked',
    'invitation.created',
    'user.disabled',
    'user.updated',
    'channel.connected',
    'channel.connected',
    'api_key.revoked',
    'api_key.created',
    'session.revoked',
    'session.created',
    'login.failed',
  ])
  const text = JSON.stringify(await audit())
  for (const secret of [token, key.key, invitation.token, PASSWORD, 'another-secret-of-the-shop'])
    t.notOk(text.includes(secret))
  const { data } = await audit('?type=user.updated')
  t.match(data, [{ actor: { type: 'user' }, data: { user_id: id, role: 'lead' }, previous: { role: 'agent' } }])
  t.same(await types(`?actor_id=${id}`), ['session.revoked', 'session.created', 'login.failed'])
  t.same(await types('?type=api_key.created&type=api_key.revoked'), ['api_key.revoked', 'api_key.created'])
  const lead = await addKey(api.db, api.ours.workspace_id, 'lead')
  isProblem(t, await as(api, lead.key)('GET', '/v1/audit'), 403, 'forbidden', 'a lead')
})

t.test('what customers and the system do is none of it', async t => {
  const before = await types()
  const at = api.clock.now
  await api.query(`insert into events (workspace_id, id, type, at, actor_type, data)
    select '${api.ours.workspace_id}', gen_random_uuid(), 'message.received', '${at.toISOString()}', actor, '{}'
    from unnest(array['contact', 'system', 'rule']) actor`)
  t.same(await types(), before)
})

t.test('it is read page by page, and between two times of which the first belongs to it', async t => {
  const start = new Date(api.clock.now.getTime() + 3_600_000)
  const names = ['A', 'B', 'C', 'D', 'E']
  for (const [index, name] of names.entries()) {
    // Two at the same time stand in the order of the log.
    api.clock.now = new Date(start.getTime() + Math.floor(index / 2) * 60_000)
    await api.call('POST', '/v1/teams', { name })
  }
  const read: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: Json = await audit(`?type=team.created&limit=2${cursor && `&cursor=${cursor}`}`)
    read.push(...page.data.map(({ data }: Json) => data.name))
    cursor = page.next_cursor
  }
  t.same(read, names.toReversed())
  const minute = (count: number) => new Date(start.getTime() + count * 60_000).toISOString()
  const between = await audit(`?type=team.created&from=${minute(1)}&to=${minute(2)}`)
  t.same(
    between.data.map(({ data }: Json) => data.name),
    ['D', 'C'],
  )
  isProblem(
    t,
    await api.call('GET', `/v1/audit?from=${minute(2)}&to=${minute(1)}`),
    422,
    'validation-failed',
    'backwards',
  )
  isProblem(t, await api.call('GET', '/v1/audit?type=nothing'), 422, 'validation-failed', 'an unknown type')
})

t.test('the query reads the index of what people did, and not the log', async t => {
  await api.query(`insert into events (workspace_id, id, type, at, actor_type, data)
    select '${api.ours.workspace_id}', gen_random_uuid(), 'message.received', now(), 'contact', '{}'
    from generate_series(1, 5000)`)
  await api.query('analyze events')
  const [plan] = await api.query(`explain (format json) select * from events
    where workspace_id = '${api.ours.workspace_id}' and (actor_type in ('user', 'api_key') or type = 'login.failed')
    order by at desc, seq desc limit 50`)
  t.match(JSON.stringify(plan), 'events_by_people')
})
