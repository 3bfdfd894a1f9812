import { newId } from '@parley/db'
import { ROLES } from '@parley/domain'
import t from 'tap'
import { addAttachment, addChannel, addConversation, addKey, addParked, type Json, testApi } from './helper.ts'
import { rawRequest } from './raw-http.ts'
import { changesNothing, dump, isProblem, withoutInstance } from './refusals.ts'
import { bodyFor, documentedRoutes, type Route } from './routes.ts'

const api = await testApi(t)
const { db, ours, theirs } = api
const channel = await addChannel(api)
const conversation = await addConversation(api, ours, channel)
const theirChannel = await addChannel(api, theirs)
const theirConversation = await addConversation(api, theirs, theirChannel)
const theirReply = (
  await api.call(
    'POST',
    '/v1/saved_replies',
    { name: 'Theirs', body: 'Hello' },
    { authorization: `Bearer ${theirs.key}` },
  )
).body
const theirEvent = await addParked(api, theirs, theirChannel)
const theirAttachment = await addAttachment(api, theirs)
const theirKey = await addKey(db, theirs.workspace_id, 'agent')
const theirFeed = { consumer: 'theirs_alone', xact: '0', seq: 0, moved_at: api.clock.now }
await db.inWorkspace(theirs.workspace_id, trx => trx.insertInto('feed_cursors').values(theirFeed).execute())
const routes = (await documentedRoutes(api)).filter(({ path }) => path.startsWith('/v1/'))
const QUERY: Record<string, string> = {
  '/v1/sla/summary': '?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z',
  '/v1/search/messages': '?q=word',
  '/v1/search/contacts': '?q=word',
}
let keys = 0

/** Calls a route with a body it takes; `path` has its ids filled in. */
const callRoute = (route: Route, path: string, body: Json, headers: Record<string, string> = {}) => {
  keys += 1
  const always = { 'idempotency-key': `key-of-test-${keys}`, 'if-match': '"1"' }
  return api.call(route.method, `${path}${QUERY[route.path] ?? ''}`, body, { ...always, ...headers })
}

t.test('nobody gets in without exactly one key in the one place for it', async t => {
  const headers: Record<string, string>[] = [
    {},
    ...['Bearer', 'Bearer ', 'Bearer null', 'Bearer undefined', 'Bearer  ', 'Basic cGFybGV5Og==', ours.key].map(
      value => ({
        authorization: value,
      }),
    ),
    { authorization: `Bearer  ${ours.key}` },
    { authorization: `Bearer ${ours.key}, Bearer ${ours.key}` },
    { 'x-api-key': ours.key },
    { cookie: `authorization=Bearer ${ours.key}` },
    { 'proxy-authorization': `Bearer ${ours.key}` },
  ]
  await changesNothing(t, api, async () => {
    for (const route of routes) {
      for (const given of headers) {
        const path = route.path.replace(/\{\w+\}/g, conversation.id)
        const answer = await api.inject({ method: route.method as 'GET', url: path, headers: given })
        isProblem(
          t,
          answer,
          401,
          'unauthenticated',
          `${route.method} ${route.path} ${JSON.stringify(given).slice(0, 40)}`,
        )
      }
    }
    for (const name of ['access_token', 'token', 'key', 'api_key']) {
      const answer = await api.inject({ method: 'GET', url: `/v1/me?${name}=${ours.key}` })
      isProblem(t, answer, 401, 'unauthenticated', `in the query as ${name}`)
    }
  })
  t.notMatch(api.log.join(''), ours.key, 'no key is in the log')
})

t.test('two Authorization headers are one too many, even when both are good', async t => {
  const { port } = await api.listen()
  const line = `authorization: Bearer ${ours.key}\r\n`
  const head = (lines: string) => `GET /v1/me HTTP/1.1\r\nhost: parley\r\nconnection: close\r\n${lines}\r\n`
  isProblem(t, (await rawRequest(port, [head(line + line)]))[0]!, 401, 'unauthenticated', 'two headers')
  t.equal((await rawRequest(port, [head(line)]))[0]!.status, 200)
})

t.test('only the whole, living key opens', async t => {
  const day = 24 * 3600 * 1000
  const now = api.clock.now.getTime()
  const revoked = await addKey(db, ours.workspace_id, 'admin', { revoked_at: new Date(now - day) })
  const expired = await addKey(db, ours.workspace_id, 'admin', { expires_at: new Date(now) })
  const later = await addKey(db, ours.workspace_id, 'admin', { expires_at: new Date(now + day) })
  const hashes = await api.query(`select encode(key_hash, 'hex') as hash, key_hint from api_keys`)
  const last = ours.key.at(-1) === 'A' ? 'B' : 'A'
  const wrong = {
    revoked: revoked.key,
    expired: expired.key,
    prefix: 'parley_',
    'half a key': ours.key.slice(0, 25),
    'lower case': ours.key.toLowerCase(),
    'one off': ours.key.slice(0, -1) + last,
    'one more': `${ours.key}A`,
    'its hash': hashes[0].hash,
    'its hint': hashes[0].key_hint,
  }
  await changesNothing(t, api, async () => {
    const seen = new Set<string>()
    for (const [what, key] of Object.entries(wrong)) {
      const headers = { authorization: `Bearer ${encodeURI(key)}` }
      const answer = await api.call('GET', '/v1/me', undefined, headers)
      isProblem(t, answer, 401, 'unauthenticated', what)
      seen.add(withoutInstance(answer))
    }
    t.equal(seen.size, 1, 'nobody learns which of them it was')
  })
  const headers = { authorization: `Bearer ${later.key}` }
  t.equal((await api.call('GET', '/v1/me', undefined, headers)).status, 200)
  api.clock.now = new Date(now + day)
  t.equal((await api.call('GET', '/v1/me', undefined, headers)).status, 401, 'it ends by itself')
  api.clock.now = new Date(now)
  t.equal((await api.call('DELETE', `/v1/api_keys/${later.id}`)).status, 200)
  t.equal((await api.call('GET', '/v1/me', undefined, headers)).status, 401, 'revoked is revoked at once')
})

t.test('an id of another workspace is answered like one that is nowhere, on every route', async t => {
  const nowhere = newId(api.clock.now)
  const foreign: Record<string, string> = {
    inboxes: theirs.inbox_id,
    channels: theirChannel.id,
    conversations: theirConversation.id,
    messages: theirConversation.messages[0]!,
    api_keys: theirKey.id,
    attachments: theirAttachment.id,
    saved_replies: theirReply.id,
    feeds: theirFeed.consumer,
  }
  let tried = 0
  await changesNothing(t, api, async () => {
    for (const route of routes.filter(({ path }) => path.includes('{'))) {
      const fill = (id: string, inner: string) =>
        route.path
          .replace(/\{consumer\}(.*)\{id\}/, `${id}$1${nowhere}`)
          .replace(/\{(id|consumer)\}/, id)
          .replace(/\{(message|event|action)_id\}/g, inner)
      const theirId = foreign[route.path.split('/')[2]!]!
      t.ok(theirId, `a foreign id is known for ${route.path}`)
      const body = bodyFor(route, {})
      const missing = await callRoute(route, fill(nowhere, nowhere), body)
      isProblem(t, missing, 404, 'not-found', `${route.method} ${route.path}`)
      const inner = route.path.includes('{event_id}') ? theirEvent : theirConversation.messages[0]!
      const own = /_id\}/.test(route.path) ? [fill(channel.id, inner), fill(channel.id, nowhere)] : []
      for (const path of [fill(theirId, inner), ...own]) {
        const answer = await callRoute(route, path, body)
        isProblem(t, answer, 404, 'not-found', `${route.method} ${path}`)
        const expected = own.includes(path)
          ? withoutInstance(await callRoute(route, own[1]!, body))
          : withoutInstance(missing)
        t.equal(withoutInstance(answer), expected)
      }
      for (const shape of ['x', '1', nowhere.toUpperCase(), `${nowhere}x`, '%00', 'null']) {
        isProblem(t, await callRoute(route, fill(shape, nowhere), body), 404, 'not-found', `${route.path} ${shape}`)
      }
      tried += 1
    }
  })
  t.ok(tried >= 22, `${tried} routes`)
})

t.test('an id of another workspace in a body or a filter is answered like one that is nowhere', async t => {
  const nowhere = newId(api.clock.now)
  const theirUser = theirKey.user_id!
  const calendar = await api.call(
    'POST',
    '/v1/calendars',
    bodyFor({ method: 'POST', path: '/v1/calendars', role: '', operation: { requestBody: {} } }, {}),
    { authorization: `Bearer ${theirs.key}` },
  )
  const policy = await api.call(
    'POST',
    '/v1/sla/policies',
    { name: 'Theirs', calendar_id: calendar.body.id, first_response_seconds: 60 },
    { authorization: `Bearer ${theirs.key}` },
  )
  t.equal(policy.status, 201)
  const path = `/v1/conversations/${conversation.id}`
  const saved = await api.call('POST', '/v1/saved_replies', { name: 'a', body: 'a' })
  const uses: [string, string, (id: string) => Json, string][] = [
    ['POST', '/v1/channels', inbox_id => ({ kind: 'generic', name: 'a', inbox_id }), theirs.inbox_id],
    ['POST', '/v1/inboxes', sla_policy_id => ({ name: 'a', sla_policy_id }), policy.body.id],
    ['PATCH', `/v1/inboxes/${ours.inbox_id}`, sla_policy_id => ({ sla_policy_id }), policy.body.id],
    [
      'POST',
      '/v1/sla/policies',
      calendar_id => ({ name: 'a', calendar_id, first_response_seconds: 60 }),
      calendar.body.id,
    ],
    ['POST', '/v1/api_keys', user_id => ({ name: 'a', role: 'agent', user_id }), theirUser],
    ['PUT', `${path}/assignee`, assignee_id => ({ assignee_id, from: null }), theirUser],
    ['POST', '/v1/saved_replies', inbox_id => ({ name: 'a', body: 'a', inbox_id }), theirs.inbox_id],
    [
      'POST',
      `/v1/saved_replies/${saved.body.id}/render`,
      conversation_id => ({ conversation_id }),
      theirConversation.id,
    ],
    [
      'POST',
      `/v1/saved_replies/${saved.body.id}/render`,
      in_reply_to => ({ conversation_id: conversation.id, in_reply_to }),
      theirConversation.messages[0]!,
    ],
    ['POST', `${path}/replies`, id => ({ body: 'a', attachment_ids: [id] }), theirAttachment.id],
    ['PUT', `${path}/draft`, in_reply_to => ({ body: 'a', in_reply_to }), theirConversation.messages[0]!],
    ['POST', `${path}/replies`, in_reply_to => ({ body: 'a', in_reply_to }), theirConversation.messages[0]!],
    ['POST', `${path}/replies`, seen_up_to => ({ body: 'a', seen_up_to }), theirConversation.messages[0]!],
  ]
  await changesNothing(t, api, async () => {
    for (const [method, url, bodyWith, foreignId] of uses) {
      const call = (id: string) => {
        keys += 1
        return api.call(method, url, bodyWith(id), { 'idempotency-key': `foreign-id-${keys}` })
      }
      const [foreign, missing] = [await call(foreignId), await call(nowhere)]
      isProblem(t, foreign, 422, 'validation-failed', `${method} ${url}`)
      t.equal(withoutInstance(foreign), withoutInstance(missing))
    }
    const filters = { inbox_id: theirs.inbox_id, channel_id: theirChannel.id, assignee_id: theirUser }
    for (const [name, id] of Object.entries(filters)) {
      const { status, body } = await api.call('GET', `/v1/conversations?${name}=${id}`)
      t.same([status, body], [200, { data: [], next_cursor: null }], name)
    }
  })
})

t.test('no list shows anything of another workspace', async t => {
  const foreignIds = await api.query(`select id from conversations where workspace_id = '${theirs.workspace_id}'
    union all select id from channels where workspace_id = '${theirs.workspace_id}'
    union all select id from inboxes where workspace_id = '${theirs.workspace_id}'
    union all select id from users where workspace_id = '${theirs.workspace_id}'
    union all select id from saved_replies where workspace_id = '${theirs.workspace_id}'
    union all select id from api_keys where workspace_id = '${theirs.workspace_id}'
    union all select id from events where workspace_id = '${theirs.workspace_id}'`)
  t.ok(foreignIds.length >= 8)
  for (const { method, path } of routes.filter(route => route.method === 'GET' && !route.path.includes('{'))) {
    if (path === '/v1/events/stream') continue
    const answer = await api.call(method, `${path}${QUERY[path] ?? ''}`)
    t.equal(answer.status, 200, path)
    for (const { id } of [...foreignIds, { id: theirs.workspace_id }])
      t.notOk(answer.text.includes(id), `${path} ${id}`)
  }
})

t.test('a route is open from its role upwards and to nobody below', async t => {
  const nowhere = newId(api.clock.now)
  const holders = Object.fromEntries(
    await Promise.all(
      ROLES.flatMap(role =>
        [true, false].map(async person => [
          `${role} ${person}`,
          (await addKey(db, ours.workspace_id, role, { person })).key,
        ]),
      ),
    ),
  )
  for (const route of routes) {
    if (route.path === '/v1/events/stream') continue // tested with a real socket
    const needed = ROLES.indexOf(route.role as 'agent')
    t.ok(needed >= 0, `${route.method} ${route.path} needs a role`)
    for (const [index, role] of ROLES.entries()) {
      for (const person of [true, false]) {
        const path = route.path.replace(/\{\w+\}/g, nowhere)
        const body = bodyFor(route, { inbox: ours.inbox_id, calendar: nowhere })
        const answer = await callRoute(route, path, body, { authorization: `Bearer ${holders[`${role} ${person}`]}` })
        const what = `${role} ${person ? 'person' : 'integration'}: ${route.method} ${route.path}`
        if (index < needed) isProblem(t, answer, 403, 'forbidden', what)
        else t.ok([200, 201, 202, 404, 422].includes(answer.status), `${what}: ${answer.status}`)
      }
    }
  }
  const table = Object.fromEntries(ROLES.map(role => [role, routes.filter(route => route.role === role).length]))
  t.ok(table.agent! > 0 && table.lead! > 0 && table.admin! > 0, JSON.stringify(table))
  const sensitive = routes.filter(
    ({ path, method }) => /api_keys/.test(path) || (method === 'POST' && /(users|channels)$/.test(path)),
  )
  t.same(new Set(sensitive.map(({ role }) => role)), new Set(['admin']))
})

t.test('a secret is shown once and cannot be read back from anywhere', async t => {
  const key = await api.call(
    'POST',
    '/v1/api_keys',
    { name: 'Robot', role: 'agent' },
    { 'idempotency-key': 'make-a-key' },
  )
  const body = { kind: 'generic', name: 'Shop', inbox_id: ours.inbox_id }
  const made = await api.call('POST', '/v1/channels', body, { 'idempotency-key': 'make-a-channel' })
  const secrets: string[] = [key.body.key, made.body.generated_credentials.signing_secrets[0]]
  const again = await api.call(
    'POST',
    '/v1/api_keys',
    { name: 'Robot', role: 'agent' },
    { 'idempotency-key': 'make-a-key' },
  )
  t.equal(again.body.key, key.body.key, 'a repeat of the same request gets the same answer')
  const reads = ['/v1/api_keys', '/v1/channels', `/v1/channels/${made.body.id}`, '/v1/events', '/v1/me']
  const texts = await Promise.all(reads.map(async path => (await api.call('GET', path)).text))
  const kept = [...texts, await dump(api), api.log.join('')].join('\n')
  for (const secret of secrets) {
    const bare = secret.replace(/^\w+?_/, '')
    const forms = [bare, Buffer.from(secret).toString('hex'), Buffer.from(bare, 'base64').toString('hex')]
    for (const form of [...forms, Buffer.from(secret).toString('base64').slice(0, 40)]) {
      t.notOk(kept.includes(form), `${secret.slice(0, 10)}… does not stand in the database, an answer or the log`)
    }
  }
})
