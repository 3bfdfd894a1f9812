import { createHash } from 'node:crypto'
import { connectedChannel } from '@parley/testing'
import { type Test, test } from 'tap'
import { MalformedPayload } from '../src/errors.ts'
import { genericConnector } from '../src/generic/index.ts'
import { sign } from '../src/generic/signature.ts'

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const BEARER = 'the-bearer-secret-of-a-shop'
const now = new Date('2026-01-15T09:30:00Z')
const channel = connectedChannel({ credentials: { signing_secrets: [SECRET], bearer_secret: BEARER } })

function receiveBytes(rawBody: Buffer, webhookId?: string) {
  const headers = { authorization: `Bearer ${BEARER}`, 'webhook-id': webhookId }
  return genericConnector.receive!(channel, { headers, rawBody, now })
}

const receiveText = (body: string, webhookId?: string) => receiveBytes(Buffer.from(body), webhookId)
const receive = (body: unknown, webhookId?: string) => receiveText(JSON.stringify(body), webhookId)

function message(fields: Record<string, unknown> = {}, data: Record<string, unknown> = {}) {
  return {
    type: 'message.received',
    ...fields,
    data: { external_id: 'r-1', kind: 'comment', text: 'Hello', created_at: '2026-01-15T09:30:00Z', ...data },
  }
}

/** How long a refusal took, in ms: the least of a few runs, since other tests run beside this one. */
function refusalTime(t: Test, body: string, expected: RegExp): number {
  const bytes = Buffer.from(body)
  return Math.min(
    ...[1, 2, 3].map(() => {
      const start = performance.now()
      t.throws(() => receiveBytes(bytes), { name: 'MalformedPayload', message: expected })
      return performance.now() - start
    }),
  )
}

/**
 * How many times the processor time of parsing the same body a refusal takes: the least of a few pairs, each measured
 * back to back, so that it does not matter how busy the machine is.
 */
function refusalCost(t: Test, body: string, expected: RegExp): number {
  const bytes = Buffer.from(body)
  const cpuTime = (work: () => void) => {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
  return Math.min(
    ...[1, 2, 3, 4, 5].map(() => {
      const parsing = cpuTime(() => JSON.parse(body))
      const refusing = () => receiveBytes(bytes)
      return cpuTime(() => t.throws(refusing, { name: 'MalformedPayload', message: expected })) / parsing
    }),
  )
}

test('a single event is stored as it came', async t => {
  const sent = message({ id: 'evt-1', extra: [1, { deep: true }] }, { metadata: { order: 'A-1' } })
  t.same(receive(sent, 'msg_1'), { events: [{ dedup_key: 'evt-1', thread_key: 'r-1', payload: sent }], rejected: [] })
})

test('an event is recognised by its own id, else by its request, else by its content', async t => {
  const key = (body: unknown, webhookId?: string) => receive(body, webhookId).events[0]!.dedup_key
  t.equal(key(message({ id: 'evt-1' }), 'msg_1'), 'evt-1')
  t.equal(key(message(), 'msg_1'), 'msg_1')
  const hash = createHash('sha256').update(JSON.stringify(message())).digest('hex')
  t.equal(key(message()), hash)
  t.equal(key(message()), key(message()), 'the same content is the same event')
  t.not(key(message()), key(message({}, { text: 'Other' })), 'other content is another event')
})

test('an event in a batch is recognised by its own id, else by its place in the request', async t => {
  const batch = { events: [message(), message({ id: 'evt-2' }), message()] }
  const keys = (webhookId?: string) => receive(batch, webhookId).events.map(event => event.dedup_key)
  t.same(keys('msg_1'), ['msg_1:0', 'evt-2', 'msg_1:2'])
  const [first, second, third] = keys()
  t.equal(second, 'evt-2')
  t.equal(first, third, 'without any id, the same words are the same event')
})

test('two event ids that Postgres would not take stay two', async t => {
  const key = (id: string) => receive(message({ id })).events[0]!.dedup_key
  const ids = ['a\u0000', 'a\u0000\u0000', 'a\ud800', 'a\udc00', 'a']
  const keys = ids.map(key)
  t.equal(new Set(keys).size, ids.length)
  for (const one of keys) {
    t.notMatch(one, '\u0000')
    t.ok(one.isWellFormed())
  }
  t.equal(key('a\u0000'), key('a\u0000'), 'a repeat is a repeat')
})

test('a batch holds one to 500 events', async t => {
  const batch = (count: number) => ({ events: Array.from({ length: count }, (_, n) => message({ id: `evt-${n}` })) })
  t.equal(receive(batch(1)).events.length, 1)
  const full = receive(batch(500))
  t.equal(full.events.length, 500)
  t.same(full.rejected, [])
  t.throws(() => receive(batch(501)), { name: 'MalformedPayload', message: /^\/events: .*500/ })
  t.throws(() => receive(batch(0)), { name: 'MalformedPayload', message: /^\/events: / })
})

test('a bad event is refused by its index while the rest of the batch is stored', async t => {
  const events: unknown[] = Array.from({ length: 100 }, (_, n) => message({ id: `evt-${n}` }))
  events[0] = null
  events[41] = message({ id: 'bad' }, { kind: 'shout' })
  events[99] = { no: 'type' }
  const { events: stored, rejected } = receive({ events })
  t.equal(stored.length, 97)
  t.match(rejected, [
    { index: 0, code: 'invalid-event' },
    { index: 41, code: 'invalid-event', detail: /^\/data\/kind: / },
    { index: 99, code: 'invalid-event', detail: /^\/type: / },
  ])
  t.notOk(
    stored.some(event => event.dedup_key === 'bad'),
    'the bad one is not stored',
  )
})

test('a batch of nothing but bad events is answered event by event', async t => {
  const { events, rejected } = receive({ events: [1, 'x', []] })
  t.same(events, [])
  t.same(
    rejected.map(({ index }) => index),
    [0, 1, 2],
  )
})

test('a ping is welcome and leaves nothing behind', async t => {
  t.same(receive({ type: 'ping' }), { events: [], rejected: [] })
  t.same(receive({ events: [{ type: 'ping' }, message({ id: 'evt-1' })] }).events.length, 1)
})

test('types that we do not know are stored, whatever their data', async t => {
  for (const type of ['message.reaction', 'author.updated', 'delivery.updated', 'x', '__proto__', 'constructor']) {
    const sent = { type, data: { anything: [null] } }
    t.same(receive(sent, 'msg_1').events, [{ dedup_key: 'msg_1', thread_key: null, payload: sent }], type)
  }
})

test('a body that is no event is refused, with the place', async t => {
  for (const body of [null, 1, 'x', true, [], [message()]]) {
    t.throws(() => receive(body), MalformedPayload, JSON.stringify(body))
  }
  t.throws(() => receive({}), { message: /^\/type: / })
  t.throws(() => receive({ events: 'none' }), { message: /^\/events: / })
  t.throws(() => receive({ events: {} }), { message: /^\/events: / })
  t.throws(() => receive({ type: 'message.received' }), { message: /^\/data: / })
})

test('a field of the wrong type is refused, with its place', async t => {
  const types: unknown[] = [7, true, {}, [], 'not what it should be', '']
  const paths: Record<string, (value: unknown) => unknown> = {
    '/type': value => message({ type: value }),
    '/id': value => message({ id: value }),
    '/timestamp': value => message({ timestamp: value }),
    '/data': value => ({ type: 'message.received', data: value }),
    '/data/external_id': value => message({}, { external_id: value }),
    '/data/thread_id': value => message({}, { thread_id: value }),
    '/data/parent_id': value => message({}, { parent_id: value }),
    '/data/kind': value => message({}, { kind: value }),
    '/data/visibility': value => message({}, { visibility: value }),
    '/data/author': value => message({}, { author: value }),
    '/data/author/platform_id': value => message({}, { author: { platform_id: value } }),
    '/data/author/handle': value => message({}, { author: { platform_id: 'ana', handle: value } }),
    '/data/text': value => message({}, { text: value }),
    '/data/html': value => message({}, { html: value }),
    '/data/attachments': value => message({}, { attachments: value }),
    '/data/created_at': value => message({}, { created_at: value }),
    '/data/edited_at': value => message({}, { edited_at: value }),
    '/data/permalink': value => message({}, { permalink: value }),
    '/data/subject': value => message({}, { subject: value }),
    '/data/reply': value => message({}, { reply: value }),
    '/data/reply/context': value => message({}, { reply: { context: value } }),
  }
  // Values that fit where they look out of place: any text is a text, an empty list is a list, and so on.
  const fits = new Set(
    ['/type', '/id', '/data/external_id', '/data/thread_id', '/data/parent_id', '/data/author/platform_id']
      .map(path => `${path} "not what it should be"`)
      .concat(
        ['/data/author/handle', '/data/permalink', '/data/reply/context', '/data/text', '/data/html'].flatMap(path => [
          `${path} "not what it should be"`,
          `${path} ""`,
        ]),
        ['/data/attachments []', '/data/subject {}', '/data/reply {}'],
      ),
  )
  fits.delete('/data/text ""')
  for (const [path, build] of Object.entries(paths)) {
    for (const value of types) {
      const name = `${path} ${JSON.stringify(value)}`
      if (fits.has(name)) t.doesNotThrow(() => receive(build(value)), name)
      else t.throws(() => receive(build(value)), { name: 'MalformedPayload', message: new RegExp(`^${path}`) }, name)
    }
  }
})

test('a message needs text, html or an attachment', async t => {
  t.throws(() => receive(message({}, { text: undefined })), {
    message: /^\/data\/text: needs text, html or an attachment/,
  })
  t.throws(() => receive(message({}, { text: null, attachments: [] })), MalformedPayload)
  t.equal(receive(message({}, { text: null, html: '<p>Hello' })).events.length, 1)
  t.equal(receive(message({}, { text: null, attachments: [{ url: 'https://a.example/x.jpg' }] })).events.length, 1)
})

test('instants are RFC 3339 and lie in the years that can be stored', async t => {
  const good = ['2026-01-15T09:30:00Z', '2026-01-15T09:30:00.123456789+02:00', '0001-01-01T00:00:00Z']
  const bad = [
    ...['2026-02-30T00:00:00Z', '2026-01-15T24:00:00Z', '2026-01-15T23:59:60Z', '2026-01-15T09:30:00', '2026-01-15'],
    ...['now', 'infinity', '1768469400', '+012026-01-15T09:30:00Z', '0000-01-01T00:00:00Z'],
    ...['0001-01-01T00:00:00+00:01', '9999-12-31T23:59:59-00:01'],
  ]
  for (const created_at of good) t.equal(receive(message({}, { created_at })).events.length, 1, created_at)
  for (const created_at of bad) t.throws(() => receive(message({}, { created_at })), MalformedPayload, created_at)
})

test('a window has to lie behind the message, and within a year of it', t => {
  const of = (reply_until: unknown) => receive(message({}, { reply_until }))
  for (const good of ['2026-01-15T09:30:01Z', '2026-01-22T10:30:00+01:00', '2027-01-16T09:30:00Z', null])
    t.equal(of(good).events.length, 1, String(good))
  for (const bad of [
    '2026-01-15T09:30:00Z',
    '2025-01-15T09:30:00Z',
    '2027-01-16T09:30:01Z',
    '2026-01-16',
    7,
    'soon',
    '',
  ])
    t.throws(() => of(bad), MalformedPayload, String(bad))
  t.end()
})

test('lengths are bounded', async t => {
  const at = (length: number) => 'a'.repeat(length)
  t.equal(receive(message({}, { external_id: at(1024) })).events.length, 1)
  t.equal(receive(message({}, { text: at(4_000_000) })).events.length, 1, 'a text is as long as the body may be')
  t.throws(() => receive(message({}, { external_id: at(1025) })), { message: /^\/data\/external_id: / })
  t.throws(() => receive(message({ id: at(1025) })), { message: /^\/id: / })
  t.throws(() => receive(message({ type: at(129) })), { message: /^\/type: / })
  const attachments = (count: number) => Array(count).fill({ url: 'https://a.example/x.jpg' })
  t.equal(receive(message({}, { attachments: attachments(20) })).events.length, 1)
  t.throws(() => receive(message({}, { attachments: attachments(21) })), { message: /^\/data\/attachments: / })
})

test('an id of nothing but NUL names nothing', async t => {
  for (const data of [
    { external_id: '\0' },
    { thread_id: '\0\0' },
    { parent_id: '\0' },
    { author: { platform_id: '\0' } },
  ]) {
    t.throws(() => receive(message({}, data)), { message: /must contain more than NUL/ })
  }
})

test('nesting is bounded, without using the stack', async t => {
  const nested = (levels: number) => `{"type":"x","data":${'['.repeat(levels)}${']'.repeat(levels)}}`
  t.equal(receiveText(nested(31)).events.length, 1)
  t.throws(() => receiveText(nested(32)), { message: /nested deeper than 32 levels/ })
  const quoted = `{"type":"x","data":"${'[{'.repeat(40)}\\\\\\"${'['.repeat(40)}","more":"\\\\"}`
  t.equal(receiveText(quoted).events.length, 1, 'brackets in a text are text')
  t.throws(() => receiveText(quoted.replace('"more":', `"more":${'['.repeat(33)}`)), { message: /nested deeper/ })
  const levels = 50_000
  const arrays = refusalTime(t, nested(levels), /nested deeper/)
  const objects = refusalTime(t, `{"type":"x","data":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`, /nested deeper/)
  t.ok(arrays < 100, `50 000 arrays took ${arrays} ms`)
  t.ok(objects < 100, `50 000 objects took ${objects} ms`)
})

test('100 000 fields are read or refused in no time', async t => {
  const fields = Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`field_${n}`, n]))
  const wide = refusalCost(t, JSON.stringify({ ...fields, data: fields }), /^\/type: /)
  t.ok(wide < 3, `200 000 fields took ${wide} times their parsing`)
  const list = refusalTime(t, JSON.stringify({ events: Array(100_000).fill(1) }), /^\/events: /)
  t.ok(list < 100, `a list of 100 000 took ${list} ms`)
  t.equal(receive(message({}, { metadata: fields })).events.length, 1, 'fields beyond ours are kept')
})

test('__proto__ is a name like any other', async t => {
  const body = '{"type":"x","__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"\\u005f_proto__x":1}'
  const { events } = receiveText(body)
  const { payload } = events[0]!
  t.equal(({} as { admin?: boolean }).admin, undefined)
  t.equal((payload as { admin?: boolean }).admin, undefined)
  t.equal(JSON.stringify(payload), body.replace('\\u005f', '_'), 'the ledger keeps it as it came')
  const hidden = '{"__proto__":{"type":"ping"}}'
  t.throws(() => receiveText(hidden), { message: /^\/type: / }, 'nothing is read through it')
  t.throws(() => receiveText('{"__proto__":{"events":[]}}'), { message: /^\/type: / })
})

test('toJSON, then, length and hasOwnProperty are data', async t => {
  const names = JSON.parse('{"toJSON":1,"then":"x","length":-1,"hasOwnProperty":null,"valueOf":{},"toString":"y"}')
  const sent = message(names, { ...names, metadata: names })
  t.same(receive(sent, 'msg_1').events, [{ dedup_key: 'msg_1', thread_key: 'r-1', payload: sent }])
})

test('a signed request is split like one with a bearer secret', async t => {
  const rawBody = Buffer.from(JSON.stringify({ events: [message(), 1] }))
  const timestamp = now.getTime() / 1000
  const headers = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(timestamp),
    'webhook-signature': sign(SECRET, 'msg_1', timestamp, rawBody),
  }
  const batch = genericConnector.receive!(channel, { headers, rawBody, now })
  t.match(batch, { events: [{ dedup_key: 'msg_1:0' }], rejected: [{ index: 1 }] })
})
