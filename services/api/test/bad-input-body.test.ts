import t from 'tap'
import { addChannel, addConversation, type Json, testApi } from './helper.ts'
import { rawRequest } from './raw-http.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const { port } = await api.listen()
const channel = await addChannel(api)
const conversation = await addConversation(api, api.ours, channel)
const KEY = { 'idempotency-key': 'a-key-of-the-test' }

const defined = { key: 'tier', label: 'Tier', applies_to: 'conversation', type: 'text' }
const attribute = (await api.call('POST', '/v1/attributes', defined)).body
const tag = (await api.call('POST', '/v1/tags', { name: 'Late' })).body
const view = (await api.call('POST', '/v1/views', { name: 'All', scope: 'workspace', filter: {} })).body
const actions = [{ type: 'set_priority', priority: 'high' }]
const macro = (await api.call('POST', '/v1/macros', { name: 'Close', scope: 'workspace', actions })).body
const rule = (await api.call('POST', '/v1/rules', { name: 'Late', triggers: ['sla.breached'], actions })).body
const hours = { time_zone: 'UTC', weekly: [{ weekday: 1, opens: '09:00', closes: '17:00' }] }
const calendar = (await api.call('POST', '/v1/calendars', { name: 'Days', definition: hours })).body
const targets = { first_response: { seconds: 3600 } }
const policy = (await api.call('POST', '/v1/sla/policies', { name: 'Late', calendar_id: calendar.id, targets })).body
const saved = (await api.call('POST', '/v1/saved_replies', { name: 'Refund', body: 'Hello' })).body
const team = (await api.call('POST', '/v1/teams', { name: 'Mornings' })).body
const person = (await api.call('POST', '/v1/users', { name: 'Ana', role: 'agent' })).body
const apiKey = (await api.call('POST', '/v1/api_keys', { name: 'Robot', role: 'agent' })).body

/** A body that each writing route takes. */
const GOOD: Record<string, Json> = {
  'POST /v1/inboxes': { name: 'Support' },
  [`PATCH /v1/inboxes/${api.ours.inbox_id}`]: { name: 'Support' },
  'POST /v1/channels': { kind: 'generic', name: 'Shop', inbox_id: api.ours.inbox_id },
  'POST /v1/users': { name: 'Ana', role: 'agent' },
  'POST /v1/api_keys': { name: 'Robot', role: 'agent' },
  [`POST /v1/api_keys/${apiKey.id}/rotate`]: { overlap_seconds: 60 },
  [`PATCH /v1/users/${person.id}`]: { name: 'Ana', languages: ['de'], skills: ['returns'] },
  'PATCH /v1/me': { name: 'Ana' },
  'PUT /v1/me/availability': { availability: 'away' },
  [`PUT /v1/conversations/${conversation.id}/presence`]: { state: 'viewing' },
  'POST /v1/invitations': { email: 'ben@example.com', role: 'agent' },
  'POST /v1/invitations/accept': { token: 'none', name: 'Ana', password: 'a password of hers' },
  'POST /v1/password_resets/accept': { token: 'none', new_password: 'a password of hers' },
  'POST /v1/sessions': { email: 'ana@example.com', password: 'a password of hers' },
  'PUT /v1/me/password': { password: 'a password of hers', new_password: 'another password of hers' },
  'POST /v1/me/totp': { password: 'a password of hers' },
  'POST /v1/me/totp/remove': { password: 'a password of hers' },
  'POST /v1/me/totp/confirm': { code: '123456' },
  'POST /v1/teams': { name: 'Nights' },
  [`PATCH /v1/teams/${team.id}`]: { name: 'Nights' },
  'POST /v1/calendars': { name: 'Office', definition: hours },
  [`PATCH /v1/calendars/${calendar.id}`]: { name: 'Office' },
  'POST /v1/calendars/import': { calendars: [{ name: 'Office', definition: hours }] },
  'POST /v1/calendars/preview': { definition: hours, from: '2027-01-04T00:00:00Z', to: '2027-01-11T00:00:00Z' },
  [`POST /v1/calendars/${calendar.id}/holidays/import`]: { country: 'DE', years: [2027] },
  [`PATCH /v1/sla/policies/${policy.id}`]: { position: 2 },
  'POST /v1/sla/policies/import': {
    policies: [{ name: 'Hour', calendar: 'Office', targets: { first_response: { seconds: 3600 } } }],
  },
  'POST /v1/sla/recalculate': { dry_run: true },
  'POST /v1/sla/policies': {
    name: 'Hour',
    calendar_id: conversation.id,
    targets: { first_response: { seconds: 3600 } },
  },
  [`POST /v1/conversations/${conversation.id}/notes`]: { body: 'Hello' },
  [`PUT /v1/messages/${conversation.messages[0]}/triage`]: { question: true },
  'POST /v1/tasks': { conversation_id: conversation.id, title: 'Call them', due_at: '2027-01-07T09:00:00Z' },
  [`POST /v1/conversations/${conversation.id}/expert_links`]: {
    name: 'Dr. Reed',
    question: 'Is that so?',
    message_ids: [conversation.messages[0]],
  },
  'POST /v1/expert_links/read': { token: 'none' },
  'POST /v1/expert_links/answer': { token: 'none', body: 'Yes.' },
  [`PATCH /v1/tasks/${conversation.id}`]: { title: 'Call them' },
  'POST /v1/me/notifications/read': { ids: [conversation.id] },
  [`POST /v1/conversations/${conversation.id}/replies`]: { body: 'Hello' },
  [`POST /v1/conversations/${conversation.id}/messages/${conversation.messages[0]}/actions`]: { verb: 'like' },
  [`POST /v1/messages/${conversation.messages[0]}/flag`]: { reason: 'Insults' },
  [`POST /v1/messages/${conversation.messages[0]}/mark_sent`]: { external_id: 'their-1' },
  [`POST /v1/messages/${conversation.messages[0]}/mark_not_sent`]: { reason: 'Not there.' },
  [`PUT /v1/conversations/${conversation.id}/draft`]: { body: 'Hello' },
  [`PATCH /v1/conversations/${conversation.id}`]: { status: 'resolved' },
  [`PUT /v1/conversations/${conversation.id}/assignee`]: { assignee_id: null, from: null },
  [`PUT /v1/conversations/${conversation.id}/team`]: { team_id: null, from: null },
  [`POST /v1/conversations/${conversation.id}/merge`]: { from_id: conversation.id },
  [`POST /v1/conversations/${conversation.id}/split`]: { message_ids: [conversation.messages[0]] },
  [`POST /v1/conversations/${conversation.id}/messages/${conversation.messages[0]}/dismiss`]: { reason: 'Only thanks' },
  'POST /v1/messages/bulk': { action: 'like', message_ids: [conversation.messages[0]] },
  'PUT /v1/dismissal_reasons': { reasons: ['Only thanks'] },
  [`PUT /v1/conversations/${conversation.id}/read`]: { up_to: conversation.messages[0] },
  'POST /v1/tags': { name: 'Refund' },
  [`PATCH /v1/tags/${tag.id}`]: { color: '#3b6ea8' },
  'POST /v1/attributes': { ...defined, key: 'level' },
  [`PATCH /v1/attributes/${attribute.id}`]: { label: 'Level' },
  'POST /v1/views': { name: 'Open', scope: 'workspace', filter: { status: ['open'] } },
  [`PATCH /v1/views/${view.id}`]: { name: 'Open' },
  'POST /v1/conversations/bulk': { ids: [conversation.id], actions },
  'POST /v1/macros': { name: 'Close', scope: 'workspace', actions },
  [`PATCH /v1/macros/${macro.id}`]: { name: 'Close' },
  [`POST /v1/conversations/${conversation.id}/macros/${macro.id}/run`]: { dry_run: true },
  'POST /v1/rules': { name: 'Late', triggers: ['sla.breached'], actions },
  [`PATCH /v1/rules/${rule.id}`]: { name: 'Late' },
  'POST /v1/rules/simulate': { rule: { triggers: ['message.received'] } },
  'POST /v1/contacts': { name: 'Ana' },
  [`PATCH /v1/contacts/${conversation.contact_id}`]: { name: 'Ana' },
  [`POST /v1/contacts/${conversation.contact_id}/notes`]: { body: 'Hello' },
  [`PATCH /v1/contacts/${conversation.contact_id}/notes/${conversation.id}`]: { body: 'Hello' },
  [`POST /v1/contacts/${conversation.contact_id}/merge`]: { from_id: conversation.id },
  [`POST /v1/contacts/${conversation.contact_id}/unmerge`]: { merge_id: conversation.id },
  'POST /v1/saved_replies': { name: 'Refund', body: 'Hello' },
  [`PATCH /v1/saved_replies/${saved.id}`]: { name: 'Refund' },
  [`POST /v1/saved_replies/${saved.id}/render`]: { conversation_id: conversation.id },
  [`PATCH /v1/channels/${channel.id}`]: { poll_seconds: 60 },
  [`POST /v1/channels/${channel.id}/reconnect`]: { credentials: {} },
  [`POST /v1/channels/${channel.id}/backfill`]: { days: 7 },
  [`POST /v1/channels/${channel.id}/parked/retry`]: { ids: [conversation.id] },
  [`POST /v1/channels/${channel.id}/parked/discard`]: { ids: [conversation.id] },
  [`POST /v1/channels/${channel.id}/outbox/${conversation.id}/ack`]: { external_id: 'their-1' },
}
const routes = Object.entries(GOOD).map(([route, body]) => ({
  method: route.split(' ')[0]!,
  path: route.split(' ')[1]!,
  body,
}))
const send = (method: string, path: string, body: unknown, headers = {}) =>
  api.call(method, path, body, { ...KEY, 'if-match': '"1"', ...headers })

t.test('the bodies that are spoilt below cover every route that takes one', async t => {
  const { paths } = (await api.call('GET', '/openapi.json')).body
  const documented = Object.entries<Json>(paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter(method => methods[method].requestBody)
      .map(method => `${method.toUpperCase()} ${path.replace(/\{\w+\}/g, '…')}`),
  )
  t.same(routes.map(({ method, path }) => `${method} ${path.replace(/[0-9a-f-]{36}/g, '…')}`).sort(), documented.sort())
})

t.test('what is no JSON is refused as such, on every route', async t => {
  await changesNothing(t, api, async () => {
    const texts = [
      '{',
      '{"name":"a",}',
      '{"name":NaN}',
      '{"name":"a"} // no',
      "{'name':'a'}",
      '\u0000',
      '{"a":1}{"b":2}',
    ]
    for (const { method, path } of routes) {
      for (const text of ['', ...texts]) {
        isProblem(t, await send(method, path, text), 400, 'malformed-json', `${method} ${path} ${text}`)
      }
    }
    const latin = Buffer.from('{"name":"\xe9"}', 'latin1')
    const answer = await api.inject({
      method: 'POST',
      url: '/v1/inboxes',
      headers: { authorization: `Bearer ${api.ours.key}`, 'content-type': 'application/json' },
      payload: latin,
    })
    isProblem(t, answer, 400, 'malformed-json', 'not UTF-8')
    isProblem(t, await send('POST', '/v1/inboxes', '['.repeat(50_000)), 400, 'malformed-json', '50 000 deep')
  })
})

t.test('no media type but JSON is read', async t => {
  await changesNothing(t, api, async () => {
    const types = [
      'text/plain',
      'application/xml',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
    ]
    for (const type of [...types, 'application/vnd.x+json', 'application/jsonp', 'nonsense', '']) {
      const answer = await send('POST', '/v1/inboxes', '{"name":"Support"}', { 'content-type': type })
      isProblem(t, answer, 415, 'unsupported-media-type', type)
    }
    const head = `POST /v1/inboxes HTTP/1.1\r\nhost: parley\r\nauthorization: Bearer ${api.ours.key}\r\nconnection: close\r\n`
    const [none] = await rawRequest(port, [`${head}content-length: 18\r\n\r\n{"name":"Support"}`])
    isProblem(t, none!, 415, 'unsupported-media-type', 'none')
  })
})

t.test('compressed bodies are not unpacked', async t => {
  await changesNothing(t, api, async () => {
    for (const encoding of ['gzip', 'br', 'deflate', 'zstd', 'gzip, identity', 'nonsense']) {
      const answer = await send('POST', '/v1/inboxes', '{"name":"Support"}', { 'content-encoding': encoding })
      isProblem(t, answer, 415, 'unsupported-media-type', encoding)
    }
  })
})

t.test('a body beyond 1 MiB is refused, also when it does not say how long it is', async t => {
  await changesNothing(t, api, async () => {
    const tooLong = `{"name":"${'a'.repeat(1024 * 1024)}"}`
    isProblem(t, await send('POST', '/v1/inboxes', tooLong), 413, 'payload-too-large', '1 MiB and a little')
    const head = [
      'POST /v1/inboxes HTTP/1.1\r\nhost: parley',
      `authorization: Bearer ${api.ours.key}`,
      'content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
    ].join('\r\n')
    const chunk = `${(64 * 1024).toString(16)}\r\n${' '.repeat(64 * 1024)}\r\n`
    const answers = await rawRequest(port, [head, ...Array.from({ length: 17 }, () => chunk)])
    isProblem(t, answers[0]!, 413, 'payload-too-large', 'chunks without an end')
  })
})

t.test('a hundred thousand fields or items are refused quickly and briefly', async t => {
  await changesNothing(t, api, async () => {
    const keys = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [index.toString(36), 1]))
    const weekly = Array.from({ length: 100_000 }, () => 1)
    const start = performance.now()
    const fields = await send('POST', '/v1/inboxes', keys)
    isProblem(t, fields, 422, 'validation-failed', 'fields')
    const definition = { time_zone: 'UTC', weekly }
    const items = await send('POST', '/v1/calendars', { name: 'a', definition })
    isProblem(t, items, 422, 'validation-failed', 'items')
    t.ok(performance.now() - start < 10_000, `took ${performance.now() - start} ms`)
    for (const { text } of [fields, items]) t.ok(text.length < 10_000, `${text.length} characters`)
  })
})

t.test('a body that is no object is refused', async t => {
  await changesNothing(t, api, async () => {
    for (const { method, path } of routes) {
      for (const text of ['null', '1', '"x"', '[]', 'true', '[{}]']) {
        isProblem(t, await send(method, path, text), 422, 'validation-failed', `${method} ${path} ${text}`)
      }
    }
  })
})

t.test('a field that a route does not know is refused by name', async t => {
  const unknown = [
    'workspace_id',
    'workspaceId',
    'author_id',
    'authorId',
    'created_at',
    'state',
    'id',
    'version',
    'seq',
  ]
  await changesNothing(t, api, async () => {
    for (const { method, path, body } of routes) {
      for (const field of unknown) {
        const answer = await send(method, path, { ...body, [field]: 'admin' })
        isProblem(t, answer, 422, 'validation-failed', `${method} ${path} ${field}`)
        t.ok(
          answer.body.errors.some((error: Json) => error.pointer === `/${field}`),
          answer.text,
        )
      }
    }
  })
})

t.test('no key reaches the prototype of anything', async t => {
  await changesNothing(t, api, async () => {
    const texts = [
      '{"name":"a","__proto__":{"admin":true}}',
      '{"name":"a","\\u005f_proto__":{"admin":true}}',
      '{"name":"a","constructor":{"prototype":{"admin":true}}}',
      '{"settings":{"__proto__":{"admin":true}}}',
    ]
    for (const text of texts) isProblem(t, await send('POST', '/v1/inboxes', text), 400, 'malformed-json', text)
    isProblem(t, await api.call('GET', '/v1/conversations?__proto__=1'), 400, 'invalid-request', 'a query')
    t.equal((Object.create({}) as { admin?: unknown }).admin, undefined)
  })
})

t.test('keys that mean something to JavaScript are data', async t => {
  await changesNothing(t, api, async () => {
    for (const key of ['toJSON', 'then', 'length', 'hasOwnProperty', 'toString', 'valueOf']) {
      const body = { ...GOOD['POST /v1/channels'], settings: { [key]: 1 } }
      const answer = await send('POST', '/v1/channels', body)
      isProblem(t, answer, 422, 'validation-failed', key)
      isProblem(t, await send('POST', '/v1/inboxes', { name: 'a', [key]: {} }), 422, 'validation-failed', key)
    }
  })
})

t.test('a value of the wrong type is refused in every field of every body', async t => {
  const document = (await api.call('GET', '/openapi.json')).body
  const values = ['x', 1, 1.5, true, null, [], {}, ['x'], [{}], { a: 1 }]
  const resolve = (schema: Json): Json =>
    schema?.$ref
      ? resolve(
          schema.$ref
            .split('/')
            .slice(1)
            .reduce((at: Json, key: string) => at[key], document),
        )
      : schema
  let tried = 0
  await changesNothing(t, api, async () => {
    for (const { method, path, body } of routes) {
      const template = Object.keys(document.paths).find(
        known =>
          new RegExp(`^${known.replace(/\{\w+\}/g, '[^/]+')}$`).test(path) &&
          document.paths[known][method.toLowerCase()],
      )!
      const schema = resolve(
        document.paths[template][method.toLowerCase()].requestBody.content['application/json'].schema,
      )
      for (const { pointer, types } of fieldsOf(schema, resolve)) {
        for (const value of values.filter(value => !types.includes(typeOf(value)))) {
          const answer = await send(method, path, withValue(body, pointer, value))
          tried += 1
          isProblem(
            t,
            answer,
            422,
            'validation-failed',
            `${method} ${template} ${pointer.join('.')} = ${JSON.stringify(value)}`,
          )
        }
      }
    }
  })
  t.ok(tried > 150, `${tried} values were tried`)
})

const typeOf = (value: unknown) =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value

/** Every field of a body with the JSON types that the document allows there; of what holds its own kind, the outermost. */
function fieldsOf(
  schema: Json,
  resolve: (schema: Json) => Json,
  at: (string | number)[] = [],
  outer: Json[] = [],
): { pointer: (string | number)[]; types: string[] }[] {
  if (outer.includes(schema)) return []
  const within = [...outer, schema]
  const variants: Json[] = (schema.anyOf ?? schema.oneOf ?? [schema]).map(resolve)
  const properties = variants.flatMap(variant => Object.entries<Json>(variant.properties ?? {}))
  return properties.flatMap(([name, property]) => {
    const pointer = [...at, name]
    const alternatives: Json[] = (resolve(property).anyOf ?? [property]).map(resolve)
    const types = alternatives.flatMap(
      ({ type, enum: words, const: word }) =>
        type ??
        (words || word
          ? typeOf(words?.[0] ?? word)
          : ['string', 'integer', 'number', 'boolean', 'null', 'array', 'object']),
    )
    const items = alternatives
      .filter(({ type }) => type === 'array')
      .flatMap(({ items }) => fieldsOf(resolve(items), resolve, [...pointer, 0], within))
    const nested = alternatives
      .filter(({ type }) => type === 'object')
      .flatMap(inner => fieldsOf(inner, resolve, pointer, within))
    // A whole number is a number too.
    return [{ pointer, types: types.includes('number') ? [...types, 'integer'] : types }, ...nested, ...items]
  })
}

function withValue(body: Json, [first, ...rest]: (string | number)[], value: unknown): Json {
  const copy = Array.isArray(body) ? [...body] : { ...body }
  copy[first!] =
    rest.length === 0 ? value : withValue(copy[first!] ?? (typeof rest[0] === 'number' ? [] : {}), rest, value)
  return copy
}
