import t from 'tap'
import { addChannel, addConversation, addKey, atOnce, type Json, testApi } from './helper.ts'
import { changesNothing, dump, isProblem } from './refusals.ts'
import { addPerson, as, PASSWORD, signIn } from './sign-in.ts'

const DAY_MS = 24 * 3600 * 1000
const accept = (api: Awaited<ReturnType<typeof testApi>>, body: object, what = 'invitations') =>
  api.inject({
    method: 'POST',
    url: `/v1/${what}/accept`,
    headers: { 'content-type': 'application/json' },
    payload: JSON.stringify(body),
  })

t.test('an invitation makes whoever holds it a person of the workspace, once', async t => {
  const api = await testApi(t)
  const closed = (await api.call('POST', '/v1/inboxes', { name: 'Shop' })).body
  const team = (await api.call('POST', '/v1/teams', { name: 'Mornings' })).body
  const draft = { email: 'ana@example.com', role: 'lead', inbox_ids: [closed.id], team_ids: [team.id] }
  const made = await api.call('POST', '/v1/invitations', draft)
  t.match(made.body, { ...draft, link: `/join#${made.body.token}`, accepted_at: null })
  const { token } = made.body
  t.notOk((await dump(api)).includes(token) || api.log.join('').includes(token), 'its token is neither kept nor logged')
  const joined = await accept(api, { token, name: 'Ana', password: PASSWORD })
  t.equal(joined.status, 201)
  t.match(joined.body, { workspace: { name: 'My workspace' }, user: { name: 'Ana', email: draft.email, role: 'lead' } })
  const { body } = await signIn(api, { email: draft.email, password: PASSWORD })
  t.equal(body.user.id, joined.body.user.id)
  const members = (await api.call('GET', `/v1/inboxes/${closed.id}/members`)).body
  t.match(members, { open_to_all: true, users: [{ id: body.user.id }] }, 'an open inbox stays so')
  t.match((await api.call('GET', `/v1/teams/${team.id}/members`)).body.users, [{ id: body.user.id }])
  isProblem(t, await accept(api, { token, name: 'Eve', password: PASSWORD }), 404, 'not-found', 'again')
  const { data } = (await api.call('GET', '/v1/invitations')).body
  t.match(data, [{ user_id: body.user.id }])
  t.notOk(JSON.stringify(data).includes(token))
  isProblem(t, await api.call('POST', '/v1/invitations', draft), 409, 'conflict', 'who is here already')
  isProblem(t, await api.call('DELETE', `/v1/invitations/${made.body.id}`), 409, 'conflict', 'too late')
})

t.test('of many who accept an invitation at once one gets in', async t => {
  const api = await testApi(t)
  const { token } = (await api.call('POST', '/v1/invitations', { email: 'ana@example.com', role: 'agent' })).body
  const answers = await atOnce(8, index => accept(api, { token, name: `Ana ${index}`, password: PASSWORD }))
  t.same(answers.map(({ status }) => status).sort(), [201, ...Array.from({ length: 7 }, () => 404)])
  t.equal((await api.query(`select 1 from users where email = 'ana@example.com'`)).length, 1)
})

t.test('an invitation that was taken back, has expired or never was opens nothing', async t => {
  const api = await testApi(t)
  const make = async (email: string) => (await api.call('POST', '/v1/invitations', { email, role: 'agent' })).body
  const [revoked, expired] = [await make('ana@example.com'), await make('ben@example.com')]
  t.equal((await api.call('DELETE', `/v1/invitations/${revoked.id}`)).status, 200)
  api.clock.now = new Date(api.clock.now.getTime() + 7 * DAY_MS)
  await changesNothing(t, api, async () => {
    for (const token of [revoked.token, expired.token, `${expired.token}A`, 'x', expired.id]) {
      isProblem(t, await accept(api, { token, name: 'Eve', password: PASSWORD }), 404, 'not-found', token)
    }
    isProblem(t, await accept(api, { token: 'x', name: 'Eve', password: 'short' }), 422, 'validation-failed', 'short')
  })
})

t.test('invitations and links for a password that open nothing are counted by token and by address', async t => {
  const api = await testApi(t)
  const { token } = (await api.call('POST', '/v1/invitations', { email: 'ana@example.com', role: 'agent' })).body
  const join = { name: 'Ana', password: PASSWORD }
  for (let guess = 1; guess <= 10; guess += 1)
    isProblem(t, await accept(api, { token: 'x', ...join }), 404, 'not-found', `guess ${guess}`)
  isProblem(t, await accept(api, { token: 'x', ...join }), 429, 'too-many-attempts', 'the same token')
  for (let guess = 11; guess <= 30; guess += 1) {
    const answer = await accept(api, { token: `x${guess}`, new_password: PASSWORD }, 'password_resets')
    isProblem(t, answer, 404, 'not-found', `guess ${guess}`)
  }
  const blocked = await accept(api, { token, ...join })
  isProblem(t, blocked, 429, 'too-many-attempts', 'the same address')
  t.equal(blocked.headers['retry-after'], '1')
  api.clock.now = new Date(api.clock.now.getTime() + 1_000)
  t.equal((await accept(api, { token, ...join })).status, 201, 'a second later')
})

t.test('a link lets somebody choose a password, once and for a day; their sessions end', async t => {
  const api = await testApi(t)
  const { id, email } = await addPerson(api)
  const { token: session } = (await signIn(api, { email, password: PASSWORD })).body
  const link = async () => (await api.call('POST', `/v1/users/${id}/password_reset`)).body
  const choose = (token: string, new_password = 'a password she likes') =>
    accept(api, { token, new_password }, 'password_resets')
  const [former, present] = [await link(), await link()]
  t.equal(present.link, `/reset#${present.token}`)
  isProblem(t, await choose(former.token), 404, 'not-found', 'replaced by another one')
  for (let guess = 0; guess < 6; guess += 1) await signIn(api, { email, password: 'not her password' })
  t.equal((await choose(present.token)).status, 200)
  isProblem(t, await choose(present.token), 404, 'not-found', 'used')
  t.equal((await as(api, session)('GET', '/v1/me')).status, 401)
  t.equal((await signIn(api, { email, password: 'a password she likes' })).status, 201, 'and need not wait')
  const late = await link()
  api.clock.now = new Date(api.clock.now.getTime() + DAY_MS)
  isProblem(t, await choose(late.token), 404, 'not-found', 'a day later')
  const nobody = (await api.call('POST', '/v1/users', { name: 'Robot', role: 'agent' })).body
  isProblem(t, await api.call('POST', `/v1/users/${nobody.id}/password_reset`), 409, 'conflict', 'no address')
})

t.test('who is disabled loses sessions and keys at once and for good, and what they own goes back', async t => {
  const api = await testApi(t)
  const channel = await addChannel(api)
  const { id, email } = await addPerson(api)
  const { token } = (await signIn(api, { email, password: PASSWORD })).body
  const key = (await api.call('POST', '/v1/api_keys', { name: 'Hers', role: 'agent', user_id: id })).body.key
  const reset = (await api.call('POST', `/v1/users/${id}/password_reset`)).body
  const conversation = await addConversation(api, api.ours, channel)
  const path = `/v1/conversations/${conversation.id}`
  await api.call('PUT', `${path}/assignee`, { assignee_id: id, from: null })
  const set = (status: string) => api.call('PATCH', `/v1/users/${id}`, { status })
  t.equal((await set('disabled')).body.status, 'disabled')
  for (const bearer of [token, key]) t.equal((await as(api, bearer)('GET', '/v1/me')).status, 401)
  isProblem(
    t,
    await accept(api, { token: reset.token, new_password: 'another password' }, 'password_resets'),
    404,
    'not-found',
    'nor by a link from before',
  )
  t.equal((await api.call('GET', path)).body.assignee_id, null)
  const types = (await api.query('select type, data from events order by seq')).map(({ type }: Json) => type)
  for (const type of ['user.disabled', 'api_key.revoked', 'conversation.unassigned']) t.ok(types.includes(type), type)
  const give = await api.call('PUT', `${path}/assignee`, { assignee_id: id, from: null })
  isProblem(t, give, 422, 'validation-failed', 'and nothing is given to them')
  await set('active')
  for (const bearer of [token, key])
    t.equal((await as(api, bearer)('GET', '/v1/me')).status, 401, 'also when they are back')
  t.equal((await signIn(api, { email, password: PASSWORD })).status, 201)
})

t.test('the last administrator stays one, whoever asks for what at the same time', async t => {
  const api = await testApi(t)
  const [{ user: first }] = [(await api.call('GET', '/v1/me')).body]
  const change = (id: string, body: object, key = api.ours.key) => as(api, key)('PATCH', `/v1/users/${id}`, body)
  for (const body of [{ role: 'lead' }, { status: 'disabled' }, { role: 'agent', status: 'disabled' }]) {
    isProblem(t, await change(first.id, body), 409, 'conflict', JSON.stringify(body))
  }
  const robot = await addKey(api.db, api.ours.workspace_id, 'admin', { person: false })
  for (let round = 0; round < 5; round += 1) {
    const others = await Promise.all([1, 2, 3].map(() => addPerson(api, { role: 'admin' })))
    const all = [first, ...others]
    const answers = await Promise.all(
      all.map(({ id }, index) => change(id, index % 2 ? { role: 'agent' } : { status: 'disabled' }, robot.key)),
    )
    const refused = answers.filter(({ status }) => status === 409)
    t.equal(refused.length, 1, answers.map(({ status }) => status).join())
    const left = await api.query(
      `select id from users where role = 'admin' and status = 'active' and workspace_id = '${api.ours.workspace_id}'`,
    )
    t.equal(left.length, 1)
    await change(first.id, { role: 'admin', status: 'active' }, robot.key)
    for (const { id } of left.filter(({ id }: Json) => id !== first.id)) await change(id, { role: 'agent' }, robot.key)
  }
})

t.test(
  'a role counts from the next call on, and who loses sight of an inbox gives back what they own there',
  async t => {
    const api = await testApi(t)
    const channel = await addChannel(api)
    const conversation = await addConversation(api, api.ours, channel)
    const member = await addKey(api.db, api.ours.workspace_id, 'agent')
    await api.call('PUT', `/v1/inboxes/${api.ours.inbox_id}/members/${member.user_id}`)
    const { id, email } = await addPerson(api, { role: 'admin' })
    const { token } = (await signIn(api, { email, password: PASSWORD })).body
    const call = as(api, token)
    const path = `/v1/conversations/${conversation.id}`
    t.equal((await call('POST', `${path}/claim`)).status, 200)
    t.equal((await call('GET', '/v1/api_keys')).status, 200)
    const changed = await api.call('PATCH', `/v1/users/${id}`, { role: 'agent' })
    t.equal(changed.body.role, 'agent')
    isProblem(t, await call('GET', '/v1/api_keys'), 403, 'forbidden', 'no administrator any more')
    t.equal((await call('GET', path)).status, 404)
    t.equal((await api.call('GET', path)).body.assignee_id, null)
  },
)

t.test('what a person can do is kept with them; of themselves they change their name and languages', async t => {
  const api = await testApi(t)
  const { id, email } = await addPerson(api)
  const { token } = (await signIn(api, { email, password: PASSWORD })).body
  const patch = { languages: ['de', 'pt-br', 'de'], skills: ['returns', 'returns'], capacity: 12 }
  const changed = await api.call('PATCH', `/v1/users/${id}`, patch)
  t.match(changed.body, { languages: ['de', 'pt-BR'], skills: ['returns'], capacity: 12 })
  t.same((await api.call('GET', `/v1/users/${id}`)).body, changed.body)
  const mine = await as(api, token)('PATCH', '/v1/me', { name: 'Ana Silva', languages: ['en'] })
  t.match(mine.body.user, { name: 'Ana Silva', languages: ['en'], skills: ['returns'] })
  for (const field of [
    { role: 'admin' },
    { status: 'active' },
    { capacity: 1 },
    { skills: [] },
    { email: 'x@example.com' },
  ]) {
    isProblem(t, await as(api, token)('PATCH', '/v1/me', field), 422, 'validation-failed', JSON.stringify(field))
  }
  const other = await addPerson(api)
  const taken = await api.call('PATCH', `/v1/users/${id}`, { email: other.email.toUpperCase() })
  isProblem(t, taken, 409, 'conflict', 'an address is one person’s')
  const robot = await addKey(api.db, api.ours.workspace_id, 'agent', { person: false })
  isProblem(t, await as(api, robot.key)('PATCH', '/v1/me', {}), 422, 'validation-failed', 'an integration is nobody')
  const again = await api.call('PATCH', `/v1/users/${id}`, { capacity: 12 })
  t.equal(again.status, 200)
  const updates = await api.query(`select data, previous from events where type = 'user.updated' order by seq`)
  t.equal(updates.length, 2, 'a change to what it is already is none')
  t.same(updates[0].previous, { languages: [], skills: [], capacity: null })
})

t.test('who goes out of office gives back what is open, and is back when they said', async t => {
  const api = await testApi(t)
  const channel = await addChannel(api)
  const { id, email } = await addPerson(api)
  const { token } = (await signIn(api, { email, password: PASSWORD })).body
  const call = as(api, token)
  const [open, resolved] = [
    await addConversation(api, api.ours, channel),
    await addConversation(api, api.ours, channel),
  ]
  for (const conversation of [open, resolved]) await call('POST', `/v1/conversations/${conversation.id}/claim`)
  await api.query(`update conversations set status = 'resolved' where id = '${resolved.id}'`)
  const until = new Date(api.clock.now.getTime() + DAY_MS)
  const set = (body: object) => call('PUT', '/v1/me/availability', body)
  t.match((await set({ availability: 'away' })).body, { availability: 'away' })
  t.equal((await api.call('GET', `/v1/conversations/${open.id}`)).body.assignee_id, id, 'away is for a moment')
  const gone = await set({ availability: 'out_of_office', until })
  t.match(gone.body, { availability: 'out_of_office', out_of_office_until: until.toISOString() })
  t.equal((await api.call('GET', `/v1/conversations/${open.id}`)).body.assignee_id, null)
  t.equal((await api.call('GET', `/v1/conversations/${resolved.id}`)).body.assignee_id, id)
  const [event] = await api.query(`select data, actor_id from events where type = 'conversation.unassigned'`)
  t.match(event, { data: { reason: 'out_of_office' }, actor_id: id })
  isProblem(t, await set({ availability: 'away', until }), 422, 'validation-failed', 'away has no end')
  isProblem(t, await set({ availability: 'out_of_office', until: api.clock.now }), 422, 'validation-failed', 'past')
  api.clock.now = until
  t.match((await api.call('GET', `/v1/users/${id}`)).body, { availability: 'available', out_of_office_until: null })
})
