import { ROLES } from '@parley/domain'
import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { buildApp } from '../src/app.ts'
import { type Json, testApi } from './helper.ts'
import { documentedRoutes } from './routes.ts'

const api = await testApi(t)
const document = (await api.inject({ method: 'GET', url: '/openapi.json' })).body
const routes = await documentedRoutes(api)

const resolve = (ref: string): Json =>
  ref
    .split('/')
    .slice(1)
    .reduce((at: Json, key) => at?.[key.replaceAll('~1', '/').replaceAll('~0', '~')], document)

/** Every object of the document with the path to it. */
function* walk(value: Json, path: string[] = []): Generator<[Json, string[]]> {
  if (value === null || typeof value !== 'object') return
  yield [value, path]
  for (const [key, child] of Object.entries(value)) yield* walk(child, [...path, key])
}

t.test('the document is OpenAPI 3.1 in its structure', async t => {
  t.match(document, { openapi: /^3\.1\.\d+$/, info: { title: /./, version: /./ }, paths: {} })
  for (const [path, item] of Object.entries<Json>(document.paths)) {
    t.match(path, /^\/[\w/{}.-]*$/)
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1])
    for (const [method, operation] of Object.entries<Json>(item)) {
      const what = `${method} ${path}`
      t.ok(['get', 'put', 'post', 'delete', 'patch', 'head', 'options', 'trace'].includes(method), what)
      t.ok(Object.keys(operation.responses).length > 0, what)
      for (const [status, response] of Object.entries<Json>(operation.responses)) {
        t.match(status, /^([1-5]\d\d|default)$/, what)
        t.type(response.description, 'string', `${what} ${status}`)
        for (const media of Object.values<Json>(response.content ?? {})) t.ok(media.schema, `${what} ${status}`)
      }
      const inPath = (operation.parameters ?? []).filter((parameter: Json) => parameter.in === 'path')
      t.same(inPath.map(({ name }: Json) => name).sort(), named.sort(), `${what}: each part of the path is described`)
      for (const parameter of operation.parameters ?? []) {
        t.match(parameter, { name: /./, in: /^(path|query|header|cookie)$/ }, what)
        t.ok(parameter.schema, what)
        if (parameter.in === 'path') t.equal(parameter.required, true, what)
      }
      if (operation.requestBody) t.ok(operation.requestBody.content['application/json'].schema, what)
    }
  }
  for (const [value, path] of walk(document)) {
    if (typeof value.$ref === 'string') t.ok(resolve(value.$ref), `${path.join('.')} refers to ${value.$ref}`)
  }
  const known = Object.keys(document.components.securitySchemes)
  for (const { operation } of routes) {
    for (const one of operation.security ?? document.security)
      for (const name of Object.keys(one)) t.ok(known.includes(name))
  }
})

t.test('every schema in it is JSON Schema 2020-12', async t => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: 'https://parley.test/document', ...document })
  let count = 0
  for (const [value, path] of walk(document)) {
    const isSchema =
      path.at(-1) === 'schema' || (path.length === 3 && path[0] === 'components' && path[1] === 'schemas')
    if (!isSchema) continue
    count += 1
    t.ok(ajv.validateSchema(value), `${path.join('.')}: ${ajv.errorsText()}`)
    const pointer = path.map(key => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')
    t.doesNotThrow(() => ajv.compile({ $ref: `https://parley.test/document#/${pointer}` }), path.join('.'))
  }
  t.ok(count > 60, `${count} schemas`)
})

t.test('every route says what it is for, what it answers and how it refuses', async t => {
  t.ok(routes.length >= 30)
  for (const { method, path, operation } of routes) {
    const what = `${method} ${path}`
    t.equal(operation.tags?.length, 1, what)
    t.match(operation.summary, /^[A-Z].*[^.]$/, what)
    const statuses = Object.keys(operation.responses)
    t.ok(
      statuses.some(status => status.startsWith('2')),
      `${what} has a success`,
    )
    const refused = operation.responses.default.content['application/problem+json'].schema
    t.equal(refused.$ref, '#/components/schemas/Problem', what)
  }
  const summaries = routes.map(({ operation }) => operation.summary)
  t.equal(new Set(summaries).size, summaries.length, 'no two routes say the same')
})

/** Those that let somebody in: they ask for something else instead of a key. */
const ENTRANCES = [
  ...['POST /v1/sessions', 'POST /v1/invitations/accept', 'POST /v1/password_resets/accept'],
  ...['POST /v1/expert_links/read', 'POST /v1/expert_links/answer'],
]

t.test('every route under /v1 but the ways in needs a role and a key, and the others need none', async t => {
  for (const { method, path, role, operation } of routes) {
    const what = `${method} ${path}`
    if (path.startsWith('/v1/') && !ENTRANCES.includes(what)) {
      t.match(role, /^(agent|lead|admin)$/, what)
      t.same(operation['x-roles'], ROLES.slice(ROLES.indexOf(role as 'agent')), what)
      t.notOk(operation.security, `${what} has the security of the whole document`)
    } else {
      t.equal(role, undefined, what)
      t.same(operation.security, [], what)
    }
  }
  t.same(document.security, [{ api_key: [] }, { session: [] }, { session_cookie: [] }])
})

t.test('the document tells every route that there is, but those for machines', async t => {
  const printed = api.app.printRoutes({ commonPrefix: false, includeHooks: false })
  const segments: string[] = []
  const served = printed.split('\n').flatMap(line => {
    const match = /^([│├└─\s]*)(\S.*?) \(([A-Z, ]+)\)$/.exec(line)
    if (!match) return []
    const depth = match[1]!.length / 4 - 1
    segments.length = Math.max(depth, 0)
    segments.push(match[2]!)
    const path = segments.join('').replace(/:(\w+)/g, '{$1}')
    return match[3]!.split(', ').map(method => `${method} ${path}`)
  })
  const hidden = /^(HEAD|OPTIONS) |^GET \/(docs|metrics|openapi\.json)/
  const expected = served.filter(route => !hidden.test(route)).sort()
  t.ok(expected.length >= 30, 'the printed routes are understood')
  t.same(routes.map(({ method, path }) => `${method} ${path}`).sort(), expected)
})

t.test('what a route answers is what the document says', async t => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: 'https://parley.test/document', ...document })
  const answers = {
    '/v1/me': await api.call('GET', '/v1/me'),
    '/v1/inboxes': await api.call('GET', '/v1/inboxes'),
    '/v1/users': await api.call('GET', '/v1/users'),
    '/v1/api_keys': await api.call('GET', '/v1/api_keys'),
    '/healthz': await api.inject({ method: 'GET', url: '/healthz' }),
    '/readyz': await api.inject({ method: 'GET', url: '/readyz' }),
  }
  for (const [path, { status, body }] of Object.entries(answers)) {
    t.equal(status, 200, path)
    const escaped = encodeURIComponent(path.replaceAll('/', '~1'))
    const schema = `https://parley.test/document#/paths/${escaped}/get/responses/200/content/application~1json/schema`
    const validate = ajv.compile({ $ref: schema })
    t.ok(validate(body), `${path}: ${ajv.errorsText(validate.errors)}`)
  }
  const refusal = await api.call('POST', '/v1/inboxes', {})
  const problem = ajv.compile({ $ref: 'https://parley.test/document#/components/schemas/Problem' })
  t.ok(problem(refusal.body), ajv.errorsText(problem.errors))
})

t.test('the document can be read in a browser', async t => {
  const answer = await api.inject({ method: 'GET', url: '/docs/' })
  t.equal(answer.status, 200)
  t.match(answer.headers['content-type'], /^text\/html/)
  const scripts = [...answer.text.matchAll(/src="\.?\/?([^"]+\.js)"/g)].map(match => match[1]!)
  t.ok(scripts.length > 0)
  for (const script of scripts) {
    const url = new URL(script, 'http://parley/docs/').pathname
    t.equal((await api.inject({ method: 'GET', url })).status, 200, url)
  }
})

t.test('a route that does not say who may call it keeps the API from starting', async t => {
  const app = await buildApp(api.ctx)
  t.teardown(() => app.close())
  t.throws(() => app.get('/v1/forgotten', async () => 'anything'), {
    message: 'GET /v1/forgotten does not say who may call it',
  })
  t.doesNotThrow(() => app.get('/v1/remembered', { config: { access: 'admin' } }, async () => 'anything'))
})
