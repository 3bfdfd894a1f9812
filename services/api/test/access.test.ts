import { newId } from '@parley/db'
import { ROLES } from '@parley/domain'
import t from 'tap'
import { addChannel, addConversation, addKey, addSession, type Json, testApi } from './helper.ts'
import { rawRequest } from './raw-http.ts'
import { changesNothing, dump, isProblem, withoutInstance } from './refusals.ts'
import { bodyFor, documentedRoutes, neededQuery, type Route } from './routes.ts'

const api = await testApi(t)
const { db, ours } = api
const channel = await addChannel(api)
const conversation = await addConversation(api, ours, channel)
const routes = (await documentedRoutes(api)).filter(({ role }) => role)
const PERIOD = '?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z'
const QUERY: Record<string, string> = { '/v1/sla/breaches': PERIOD }
let keys = 0
/** What somebody can call with: a session, a key of theirs, or a key that is nobody's. */
const HOLDERS = ['session', 'key', 'integration']

/** Calls a route with a body it takes; `path` has its ids filled in. */
const callRoute = (route: Route, path: string, body: Json, headers: Record<string, string> = {}) => {
  keys += 1
  const always = { 'idempotency-key': `key-of-test-${keys}`, 'if-match': '"1"' }
  return api.call(route.method, `${path}${QUERY[route.path] ?? `?${neededQuery(route.path)}`}`, body, {
    ...always,
    ...headers,
  })
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

t.test('a route is open from its role upwards and to nobody below', async t => {
  const nowhere = newId(api.clock.now)
  const holders = ROLES.flatMap((role, rank) =>
    HOLDERS.map(async kind => {
      const { key, user_id } = await addKey(db, ours.workspace_id, role, { person: kind !== 'integration' })
      const token = kind === 'session' ? (await addSession(api, ours.workspace_id, user_id!)).token : key
      return { what: `${role} by ${kind}`, rank, token }
    }),
  )
  const all = await Promise.all(holders)
  for (const route of routes) {
    if (route.path === '/v1/events/stream' || route.path === '/v1/sessions/current') continue // tested by themselves
    const needed = ROLES.indexOf(route.role as 'agent')
    t.ok(needed >= 0, `${route.method} ${route.path} needs a role`)
    for (const { what: who, rank, token } of all) {
      const path = route.path.replace(/\{\w+\}/g, nowhere)
      const body = bodyFor(route, { inbox: ours.inbox_id, calendar: nowhere })
      const answer = await callRoute(route, path, body, { authorization: `Bearer ${token}` })
      const what = `${who}: ${route.method} ${route.path}`
      if (rank < needed) isProblem(t, answer, 403, 'forbidden', what)
      // Nobody has a password here, so those who guess at one are soon asked to wait.
      else t.ok([200, 201, 202, 404, 409, 422, 429].includes(answer.status), `${what}: ${answer.status}`)
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
