import t from 'tap'
import { testApi } from './helper.ts'
import { rawRequest } from './raw-http.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const { port } = await api.listen()
const { key } = api.ours
const head = (line: string, ...headers: string[]) =>
  [line, 'host: parley', `authorization: Bearer ${key}`, ...headers, '', ''].join('\r\n')

t.test('a request of two lengths is refused, and what hides in it is not run', async t => {
  await changesNothing(t, api, async () => {
    const hidden = head('POST /v1/inboxes HTTP/1.1', 'content-type: application/json', 'content-length: 17')
    const smuggler = head('POST /v1/inboxes HTTP/1.1', 'content-length: 4', 'transfer-encoding: chunked')
    const answers = await rawRequest(port, [`${smuggler}0\r\n\r\n${hidden}{"name":"hidden"}`])
    t.equal(answers.length, 1)
    isProblem(t, answers[0]!, 400, 'invalid-request', 'both lengths')
    t.equal(answers[0]!.headers.connection, 'close')
  })
})

t.test('a request that sends no body may name the type that its body would have', async t => {
  const { id } = (await api.call('POST', '/v1/teams', { name: 'Spare' })).body
  const typed = (line: string) => rawRequest(port, [head(line, 'content-type: application/json', 'connection: close')])
  const [gone] = await typed(`DELETE /v1/teams/${id} HTTP/1.1`)
  t.ok([200, 204].includes(gone!.status), gone!.text)
  await changesNothing(t, api, async () => {
    const [nothing] = await typed('POST /v1/teams HTTP/1.1')
    isProblem(t, nothing!, 400, 'malformed-json', 'a body is missed where there has to be one')
  })
})

t.test('headers that are too large or too many are refused as a problem', async t => {
  await changesNothing(t, api, async () => {
    const [large] = await rawRequest(port, [head('GET /v1/me HTTP/1.1', `x-large: ${'a'.repeat(20_000)}`)])
    isProblem(t, large!, 431, 'headers-too-large', '20 kB in one header')
    const many = Array.from({ length: 200 }, (_, index) => `x-${index}: 1`)
    const [counted] = await rawRequest(port, [head('GET /v1/me HTTP/1.1', ...many, 'connection: close')])
    isProblem(t, counted!, 431, 'headers-too-large', '200 headers')
    const few = many.slice(0, 90)
    const [taken] = await rawRequest(port, [head('GET /v1/me HTTP/1.1', ...few, 'connection: close')])
    t.equal(taken!.status, 200, 'proxies may add a few')
  })
})

t.test('a URL or a part of a path that is too long is refused as a problem', async t => {
  await changesNothing(t, api, async () => {
    const [long] = await rawRequest(port, [head(`GET /v1/me?x=${'a'.repeat(17_000)} HTTP/1.1`)])
    isProblem(t, long!, 414, 'uri-too-long', 'a URL of 17 kB')
    const id = await api.call('GET', `/v1/conversations/${'a'.repeat(201)}`)
    isProblem(t, id, 414, 'uri-too-long', 'an id of 201 characters')
  })
})

t.test('other methods find nothing, and no header makes one method another', async t => {
  await changesNothing(t, api, async () => {
    for (const method of ['TRACE', 'PROPFIND', 'SEARCH']) {
      const [answer] = await rawRequest(port, [head(`${method} /v1/inboxes HTTP/1.1`, 'connection: close')])
      isProblem(t, answer!, 404, 'not-found', method)
    }
    const [unknown] = await rawRequest(port, [head('BREW /v1/inboxes HTTP/1.1')])
    isProblem(t, unknown!, 400, 'invalid-request', 'a verb that HTTP does not have')
    t.same(await rawRequest(port, [head('CONNECT parley:80 HTTP/1.1')]), [], 'CONNECT is hung up on')
    const own = await api.call('GET', '/v1/me')
    for (const name of ['x-http-method-override', 'x-http-method', 'x-method-override']) {
      const answer = await api.call('GET', `/v1/api_keys/${own.body.api_key_id}`, undefined, { [name]: 'DELETE' })
      isProblem(t, answer, 404, 'not-found', name)
    }
  })
})

t.test('other spellings of a path give no way around its access rule', async t => {
  await changesNothing(t, api, async () => {
    const spellings = [
      ...['//v1/api_keys', '/v1//api_keys', '/v1/api_keys/', '/V1/api_keys', '/v1/API_KEYS', '/v1/api_keys%20'],
      ...['/v1/api_keys;a=b', '/v1/%2e%2e/v1/api_keys', '/v1/x/..%2fapi_keys', '/hooks/../v1/api_keys'],
      ...[
        '/docs/..%2f..%2fv1/api_keys',
        '/v1/api%5fkeys',
        '/v1/./api_keys',
        '/v1%2fapi_keys',
        'http://elsewhere/v1/api_keys',
      ],
    ]
    for (const spelling of spellings) {
      const [answer] = await rawRequest(port, [`GET ${spelling} HTTP/1.1\r\nhost: parley\r\nconnection: close\r\n\r\n`])
      t.ok([401, 404].includes(answer!.status), `${spelling}: ${answer!.status}`)
      isProblem(t, answer!, answer!.status, /^(unauthenticated|not-found)$/, spelling)
    }
  })
})

t.test('a body that a route has no use for is not read', async t => {
  await changesNothing(t, api, async () => {
    for (const path of ['/v1/me', '/v1/inboxes']) {
      t.equal((await api.call('GET', path, { name: 'x', limit: 1 })).status, 200, path)
    }
    const answer = await api.call('DELETE', '/v1/api_keys/0190b2b6-0000-7000-8000-000000000000', { id: 'x' })
    isProblem(t, answer, 404, 'not-found', 'the id of the path counts')
  })
})

t.test('what a stranger says about proxies is not believed', async t => {
  const forwarded = {
    'x-forwarded-for': '203.0.113.7',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    forwarded: 'for=203.0.113.7;host=evil.example',
  }
  const line = api.log.length
  const plain = await api.call('GET', '/v1/me')
  const answer = await api.call('GET', '/v1/me', undefined, forwarded)
  t.same(answer.body, plain.body)
  t.notMatch(`${JSON.stringify(answer.headers)}${api.log.slice(line)}`, /203\.0\.113\.7|evil\.example/)
})

t.test('a line break in what is sent never breaks a header or a log line', async t => {
  const line = api.log.length
  const paths = [
    '/v1/conversations/%0d%0aset-cookie:%20a=b',
    '/v1/conversations?cursor=%0d%0aset-cookie:%20a=b',
    '/v1/x%0d%0aset-cookie:%20a=b',
  ]
  for (const path of paths) {
    const answer = await api.call('GET', path, undefined, { 'idempotency-key': 'a%0d%0ab: c' })
    t.ok(answer.status === 404 || answer.status === 400, `${path}: ${answer.status}`)
    t.notMatch(JSON.stringify(answer.headers), /set-cookie/i)
  }
  for (const text of api.log.slice(line)) t.equal(text.trimEnd().split('\n').length, 1, 'one line each')
})

t.test('a refusal is JSON whatever the caller would rather have', async t => {
  for (const accept of ['text/html', 'application/xml', '*/*;q=0', 'nonsense']) {
    const answer = await api.call('GET', '/v1/nothing?callback=alert', undefined, { accept })
    isProblem(t, answer, 404, 'not-found', accept)
  }
})

t.test('the request id is ours, not the one that was sent', async t => {
  const line = api.log.length
  for (const id of ['forged', '{"level":60}', 'a'.repeat(10_000), 'a\tb']) {
    const headers = { 'x-request-id': id, 'request-id': id, 'x-correlation-id': id }
    isProblem(t, await api.call('GET', '/v1/nothing', undefined, headers), 404, 'not-found', id.slice(0, 20))
  }
  t.notMatch(api.log.slice(line).join(''), /forged|level\\":60|aaaaaaaa/)
})

t.test('every answer carries the security headers, good or bad', async t => {
  const always = {
    'cache-control': 'no-store',
    'content-security-policy': /default-src 'none'.*frame-ancestors 'none'/,
    'referrer-policy': 'no-referrer',
    'strict-transport-security': /max-age=/,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  }
  const badUrl = await api.call('GET', '/v1/conversations/%E0%A4%A')
  isProblem(t, badUrl, 400, 'invalid-request', 'a malformed escape')
  const answers = [
    await api.call('GET', '/v1/me'),
    await api.call('POST', '/v1/inboxes', { name: 'Another' }),
    await api.call('POST', '/v1/inboxes', {}),
    await api.call('GET', '/v1/nothing'),
    await api.call('GET', '/v1/me', undefined, { authorization: '' }),
    await api.inject({ method: 'GET', url: '/healthz' }),
    await api.inject({ method: 'GET', url: '/openapi.json' }),
    (await rawRequest(port, ['nonsense\r\n\r\n']))[0]!,
    badUrl,
  ]
  t.same(
    answers.map(answer => answer.status),
    [200, 201, 422, 404, 401, 200, 200, 400, 400],
  )
  for (const answer of answers) t.match(answer.headers, always, `${answer.status}`)
  const controller = new AbortController()
  const stream = await fetch(`http://127.0.0.1:${port}/v1/events/stream`, {
    headers: { authorization: `Bearer ${key}` },
    signal: controller.signal,
  })
  t.match(Object.fromEntries(stream.headers), always, 'a stream')
  controller.abort()
  const docs = await api.inject({ method: 'GET', url: '/docs/' })
  t.match(docs.headers, { ...always, 'content-security-policy': /script-src 'self'/ }, 'the documentation runs scripts')
  t.notMatch(docs.headers['content-security-policy'], /script-src[^;]*unsafe-inline/)
})
