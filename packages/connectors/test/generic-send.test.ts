import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createGzip, gzipSync } from 'node:zlib'
import { connectedChannel, connectorContext } from '@parley/testing'
import { type Test, test } from 'tap'
import type { ConnectedChannel, ConnectorContext, OutgoingReply, PreparedSend } from '../src/connector.ts'
import { createEgressFetch } from '../src/egress.ts'
import { genericConnector } from '../src/generic/index.ts'

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const OLD_SECRET = `whsec_${Buffer.alloc(32, 2).toString('base64')}`
const ID = '019b0000-0000-7000-8000-000000000001'
const start = new Date('2026-01-15T09:30:00.000Z')
const loopback = createEgressFetch(['127.0.0.0/8'])
const signal = () => AbortSignal.timeout(20_000)

type Call = { path: string; headers: IncomingMessage['headers']; body: Buffer }

/** A receiver of replies in a real HTTP server; `answer` may do with the response what it likes. */
async function startServer(t: Test, answer: (response: ServerResponse, call: Call) => void) {
  const calls: Call[] = []
  const server = createServer(async (request, response) => {
    response.on('error', () => {})
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const call = { path: request.url!, headers: request.headers, body: Buffer.concat(chunks) }
    calls.push(call)
    answer(response, call)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  return { url: `http://127.0.0.1:${port}/replies`, calls }
}

function channelOf(reply_url: string | undefined, signing_secrets = [SECRET]): ConnectedChannel {
  return connectedChannel({ settings: { reply_url }, credentials: { signing_secrets } })
}

const reply: OutgoingReply = {
  message_id: ID,
  text: 'It arrives today, Ana \u{1f44b}',
  visibility: 'public',
  thread_key: 'prod-42',
  queued_at: start,
  in_reply_to: {
    external_id: 'r-1',
    reply_context: { context: 'opaque' },
    visibility: 'public',
    from_us: false,
  },
  attachments: [],
}

function contextOf(fields: Partial<ConnectorContext> = {}): ConnectorContext {
  return connectorContext({ now: () => start, signal: signal(), fetch: loopback, ...fields })
}

async function sendTo(url: string, context = contextOf()) {
  const channel = channelOf(url)
  return genericConnector.send!(channel, await genericConnector.prepare!(channel, reply, context), context)
}

/** What becomes of a reply that a receiver answers so. */
async function outcomeOf(t: Test, answer: (response: ServerResponse) => void, fields: Partial<ConnectorContext> = {}) {
  return sendTo((await startServer(t, answer)).url, contextOf(fields))
}

const answerWith =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))

/** As a receiver checks it, following the specification. */
function signatureOf(secret: string, call: Call): string {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const content = Buffer.concat([
    Buffer.from(`${call.headers['webhook-id']}.${call.headers['webhook-timestamp']}.`),
    call.body,
  ])
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`
}

test('a reply is POSTed with a signature that its receiver can check', async t => {
  const { url, calls } = await startServer(t, answerWith(200, { external_id: 'their-1' }))
  t.equal((await sendTo(url)).outcome, 'sent')
  const [call] = calls as [Call]
  t.match(call.headers, {
    'content-type': 'application/json',
    'webhook-id': ID,
    'webhook-timestamp': String(start.getTime() / 1000),
    'webhook-signature': signatureOf(SECRET, call),
  })
  t.same(JSON.parse(call.body.toString()), {
    type: 'reply.requested',
    timestamp: '2026-01-15T09:30:00.000Z',
    data: {
      message_id: ID,
      thread_id: 'prod-42',
      in_reply_to: 'r-1',
      text: 'It arrives today, Ana \u{1f44b}',
      visibility: 'public',
      context: 'opaque',
      attachments: [],
    },
  })
})

test('a reply names its files, and carries none of their bytes', async t => {
  const file = { id: ID, media_type: 'image/png', filename: 'new.png', alt_text: 'A kettle', byte_size: 70 }
  const attachments = [{ ...file, read: () => Promise.reject(new Error('nobody reads it here')) }]
  const { body } = await genericConnector.prepare!(channelOf(undefined), { ...reply, attachments }, contextOf())
  t.same(JSON.parse(body as string).data.attachments, [file])
})

test('while secrets change, a reply is signed with each of them', async t => {
  const { url, calls } = await startServer(t, answerWith(200, { external_id: 'their-1' }))
  const channel = channelOf(url, [SECRET, OLD_SECRET])
  const context = contextOf()
  await genericConnector.send!(channel, await genericConnector.prepare!(channel, reply, context), context)
  const [call] = calls as [Call]
  t.equal(call.headers['webhook-signature'], `${signatureOf(SECRET, call)} ${signatureOf(OLD_SECRET, call)}`)
})

test('a repeat is the same request with a fresh timestamp and signature', async t => {
  const { url, calls } = await startServer(t, answerWith(503, {}))
  const channel = channelOf(url)
  const first = contextOf()
  // As it comes back from the database.
  const frozen = JSON.parse(JSON.stringify(await genericConnector.prepare!(channel, reply, first))) as PreparedSend
  await genericConnector.send!(channel, frozen, first)
  const later = contextOf({ now: () => new Date(start.getTime() + 3600_000) })
  await genericConnector.send!(channel, frozen, later)
  const [one, two] = calls as [Call, Call]
  t.same(two.body, one.body)
  t.equal(two.headers['webhook-id'], one.headers['webhook-id'])
  t.equal(Number(two.headers['webhook-timestamp']), Number(one.headers['webhook-timestamp']) + 3600)
  t.equal(two.headers['webhook-signature'], signatureOf(SECRET, two))
  t.not(two.headers['webhook-signature'], one.headers['webhook-signature'])
})

test('a reply to nobody in particular says so', async t => {
  const { body } = await genericConnector.prepare!(channelOf(undefined), { ...reply, in_reply_to: null }, contextOf())
  t.match(JSON.parse(body as string), { data: { in_reply_to: null, context: null } })
})

test('2xx with an external_id means sent', async t => {
  for (const status of [200, 201, 202]) {
    t.same(
      await outcomeOf(t, answerWith(status, { external_id: 'their-1', permalink: 'https://shop.example/1', more: 1 })),
      { outcome: 'sent', external_id: 'their-1', permalink: 'https://shop.example/1', accepted_at: start },
    )
  }
})

test('2xx without an external_id leaves open whether it was published', async t => {
  const bodies: unknown[] = [{}, [], null, 'ok', 7, { external_id: '' }, { external_id: 7 }, { external_id: '\0' }]
  for (const body of bodies) {
    t.match(await outcomeOf(t, answerWith(200, body)), { outcome: 'unknown' }, JSON.stringify(body))
  }
  t.match(await outcomeOf(t, answerWith(200, { external_id: 'x'.repeat(1025) })), { outcome: 'unknown' })
  t.match(await outcomeOf(t, response => void response.writeHead(204).end()), { outcome: 'unknown' })
  const html = (response: ServerResponse) => void response.writeHead(200).end('<html>Welcome</html>')
  t.match(await outcomeOf(t, html), { outcome: 'unknown' })
  t.match(await outcomeOf(t, response => void response.writeHead(200).end('{"external_id":')), { outcome: 'unknown' })
})

test('an answer is cleaned of what Postgres does not take', async t => {
  const dirty = 'a\u0000b\ud800'
  const sent = await outcomeOf(t, answerWith(200, { external_id: dirty, permalink: dirty }))
  t.match(sent, { outcome: 'sent', external_id: 'ab\ufffd', permalink: 'ab\ufffd' })
  const rejected = await outcomeOf(t, answerWith(400, { detail: dirty }))
  t.same(rejected, { outcome: 'rejected', reason: 'The receiver refused it (400): ab\ufffd.' })
  const long = await outcomeOf(t, answerWith(400, { detail: `${'x'.repeat(499)}\u{1f44b}` }))
  t.ok((long as { reason: string }).reason.isWellFormed(), 'a pair cut in half')
})

test('a published reply stays published, whatever else its answer says', async t => {
  for (const wrong of [
    { permalink: 7 },
    { permalink: 'x'.repeat(3000) },
    { permalink: null },
    { accepted_at: 'today' },
  ]) {
    const sent = await outcomeOf(t, answerWith(200, { external_id: 'their-1', ...wrong }))
    t.same(
      sent,
      { outcome: 'sent', external_id: 'their-1', permalink: null, accepted_at: start },
      JSON.stringify(wrong),
    )
  }
})

test("a reply was accepted while it was sent, whatever the receiver's clock says", async t => {
  const accepted = async (accepted_at: string) => {
    let calls = 0
    const now = () => new Date(start.getTime() + Math.min(calls++, 1) * 10_000)
    const { url } = await startServer(t, answerWith(200, { external_id: 'their-1', accepted_at }))
    const channel = channelOf(url)
    const prepared = await genericConnector.prepare!(channel, reply, contextOf())
    const sent = await genericConnector.send!(channel, prepared, contextOf({ now }))
    return sent.outcome === 'sent' ? sent.accepted_at.toISOString() : sent
  }
  t.equal(await accepted('2026-01-15T09:30:05Z'), '2026-01-15T09:30:05.000Z')
  t.equal(await accepted('2026-01-15T10:30:05+01:00'), '2026-01-15T09:30:05.000Z')
  t.equal(await accepted('1970-01-01T00:00:00Z'), '2026-01-15T09:30:00.000Z', 'not before we asked')
  t.equal(await accepted('2999-01-01T00:00:00Z'), '2026-01-15T09:30:10.000Z', 'not after it answered')
  t.equal(await accepted('0000-01-01T00:00:00Z'), '2026-01-15T09:30:00.000Z')
})

test("4xx means refused, with the receiver's own words", async t => {
  const refusal = async (status: number, body: unknown) => outcomeOf(t, answerWith(status, body))
  t.same(await refusal(422, { title: 'Nope', detail: 'The thread is closed' }), {
    outcome: 'rejected',
    reason: 'The receiver refused it (422): The thread is closed.',
  })
  t.match(await refusal(404, { title: 'Gone' }), { outcome: 'rejected', reason: /\(404\): Gone/ })
  for (const status of [400, 401, 403, 404, 410, 413, 451]) {
    t.same(await refusal(status, 'x'), { outcome: 'rejected', reason: `The receiver refused it (${status}).` })
  }
  t.match(await refusal(400, { detail: 7, title: 'Bad' }), { reason: /\(400\): Bad/ }, 'a detail that is no text')
  const long = await refusal(400, { detail: 'x'.repeat(10_000) })
  t.ok((long as { reason: string }).reason.length < 600)
  t.match(await refusal(408, {}), { outcome: 'unknown' }, 'a time-out says nothing about what was done')
})

test('429 means wait as long as asked, at most a day', async t => {
  const waitOf = async (header: string | undefined) => {
    const outcome = await outcomeOf(t, answerWith(429, {}, header === undefined ? {} : { 'retry-after': header }))
    if (outcome.outcome !== 'retry') return outcome
    return (outcome.retry_at.getTime() - start.getTime()) / 1000
  }
  t.equal(await waitOf('120'), 120)
  t.equal(await waitOf('Thu, 15 Jan 2026 09:35:00 GMT'), 300)
  t.equal(await waitOf('Thursday, 15-Jan-26 09:35:00 GMT'), 300, 'the obsolete form of a date')
  for (const far of ['1000000000', '99999999999999999999', '9'.repeat(400), 'Fri, 01 Jan 2100 00:00:00 GMT']) {
    t.equal(await waitOf(far), 86_400, far)
  }
  const nonsense = ['1e9', '-5', '-1', '0', '1.5', '0x10', 'soon', '5 minutes', 'foo 2050', '2050', 'Infinity', '']
  for (const header of [...nonsense.filter(text => text !== '2050'), 'Thu, 01 Jan 1970 00:00:00 GMT', 'Mon, x GMT']) {
    t.equal(await waitOf(header), 30, JSON.stringify(header))
  }
  t.equal(await waitOf('2026-01-15T23:30:00Z'), 30, 'no date as HTTP writes them')
  t.equal(await waitOf(undefined), 30)
})

test('whatever leaves doubt is unknown: a 5xx, a cut connection, silence', async t => {
  for (const status of [500, 502, 503, 504]) t.match(await outcomeOf(t, answerWith(status, {})), { outcome: 'unknown' })
  t.match(await outcomeOf(t, response => void response.socket!.destroy()), { outcome: 'unknown' }, 'cut before')
  const half = (response: ServerResponse) => {
    response.writeHead(200, { 'content-length': '1000' }).write('{"external_id":"their-1"')
    setImmediate(() => response.socket!.destroy())
  }
  t.match(await outcomeOf(t, half), { outcome: 'unknown' }, 'cut within the answer')
  const silent = { signal: AbortSignal.timeout(300) }
  t.match(await outcomeOf(t, () => {}, silent), { outcome: 'unknown' }, 'no answer')
})

test('an answer that is no HTTP is unknown', async t => {
  const server = createTcpServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.6\r\n'))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  const { port } = server.address() as { port: number }
  t.match(await sendTo(`http://127.0.0.1:${port}/`), { outcome: 'unknown' })
})

test('a receiver that cannot be reached has seen nothing, so the reply is sent later', async t => {
  const server = createTcpServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  const retry_at = new Date(start.getTime() + 30_000)
  t.match(await sendTo(`http://127.0.0.1:${port}/`), { outcome: 'retry', reason: /ECONNREFUSED/, retry_at })
  const twoAddresses = createEgressFetch(['127.0.0.0/8'], (_name, _options, callback) =>
    callback(
      null,
      ['127.0.0.1', '127.0.0.2'].map(address => ({ address, family: 4 })),
    ),
  )
  const outcome = await sendTo(`http://shop.example:${port}/`, contextOf({ fetch: twoAddresses }))
  t.match(outcome, { outcome: 'retry', reason: /ECONNREFUSED/, retry_at }, 'none of its addresses')
  const unknownName = createEgressFetch([], (_name, _options, callback) =>
    callback(Object.assign(new Error('none'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' }), []),
  )
  const nameless = await sendTo('https://shop.example/', contextOf({ fetch: unknownName }))
  t.match(nameless, { outcome: 'retry', reason: /ENOTFOUND/ })
})

test('only an error from before the first byte proves that nothing was sent', async t => {
  const failing = (fields: Record<string, unknown>) => {
    const cause = Object.assign(new Error('x'), fields)
    return contextOf({ fetch: async () => Promise.reject(new TypeError('fetch failed', { cause })) })
  }
  const outcome = async (fields: Record<string, unknown>) =>
    (await sendTo('https://shop.example/', failing(fields))).outcome
  t.equal(await outcome({ code: 'EHOSTUNREACH', syscall: 'connect' }), 'retry')
  t.equal(await outcome({ code: 'ENETUNREACH', syscall: 'connect' }), 'retry')
  t.equal(await outcome({ code: 'UND_ERR_CONNECT_TIMEOUT' }), 'retry')
  t.equal(await outcome({ code: 'CERT_HAS_EXPIRED' }), 'retry')
  t.equal(await outcome({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' }), 'retry')
  t.equal(await outcome({ code: 'EHOSTUNREACH', syscall: 'read' }), 'unknown', 'the network broke while we waited')
  t.equal(await outcome({ code: 'ECONNRESET', syscall: 'read' }), 'unknown')
  t.equal(await outcome({ code: 'ETIMEDOUT', syscall: 'read' }), 'unknown')
  t.equal(await outcome({ code: 'EPIPE', syscall: 'write' }), 'unknown')
  t.equal(await outcome({ code: 'UND_ERR_HEADERS_TIMEOUT' }), 'unknown')
  t.equal(await outcome({ code: 'UND_ERR_SOCKET' }), 'unknown')
  t.equal(await outcome({}), 'unknown')
})

test('a redirect is not followed', async t => {
  const target = await startServer(t, answerWith(200, { external_id: 'elsewhere' }))
  const redirect = async (status: number) => {
    const answer = (response: ServerResponse) => void response.writeHead(status, { location: target.url }).end()
    return (await outcomeOf(t, answer)).outcome
  }
  // These say that the reply was not taken there.
  for (const status of [301, 307, 308]) t.equal(await redirect(status), 'rejected', String(status))
  // So do these at times, but web frameworks also answer with them once they have processed a POST.
  for (const status of [300, 302, 303]) t.equal(await redirect(status), 'unknown', String(status))
  t.equal(target.calls.length, 0)
})

test('no more than 64 KiB of an answer is read', async t => {
  let written = 0
  let closed = false
  const endless = (status: number) => (response: ServerResponse) => {
    const chunk = Buffer.alloc(64 * 1024, ' ')
    response.writeHead(status, { 'content-type': 'application/json' })
    response.on('close', () => {
      closed = true
    })
    const more = () => {
      while (!response.destroyed && written < 100 * 1024 * 1024) {
        written += chunk.length
        if (!response.write(chunk)) return void response.once('drain', more)
      }
      response.end()
    }
    more()
  }
  t.match(await outcomeOf(t, endless(200)), { outcome: 'unknown' })
  while (!closed) await new Promise(resolve => setTimeout(resolve, 5))
  // The rest is what the kernel's buffers take.
  t.ok(written < 20 * 1024 * 1024, `${written} bytes were written before we hung up`)
  written = 0
  t.same(await outcomeOf(t, endless(400)), { outcome: 'rejected', reason: 'The receiver refused it (400).' })
  const padded = { external_id: 'their-1', padding: 'x'.repeat(60_000) }
  t.match(await outcomeOf(t, answerWith(200, padded)), { outcome: 'sent' }, 'an answer of 60 kB is none too large')
})

/** So many times 8 MiB of spaces, compressed without ever being whole in memory. */
async function bombOf(blocks: number): Promise<Buffer> {
  const block = Buffer.alloc(8 * 1024 * 1024, ' ')
  return buffer(Readable.from(Array(blocks).fill(block)).pipe(createGzip()))
}

test('a compressed answer does not unfold beyond what is read', async t => {
  const bomb = await bombOf(64)
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  const before = process.memoryUsage()
  const peakBefore = process.resourceUsage().maxRSS
  const started = performance.now()
  const outcome = await outcomeOf(t, response => void response.writeHead(200, headers).end(bomb))
  const took = performance.now() - started
  const after = process.memoryUsage()
  const peak = (process.resourceUsage().maxRSS - peakBefore) / 1024
  t.match(outcome, { outcome: 'unknown' })
  t.ok(took < 500, `${took} ms`)
  const grown = (after.arrayBuffers - before.arrayBuffers) / 1024 / 1024
  t.ok(grown < 64, `${grown} MiB`)
  t.ok(peak < 128, `${peak} MiB at its peak`)
  const small = gzipSync(JSON.stringify({ external_id: 'their-1' }))
  const sent = await outcomeOf(t, response => void response.writeHead(200, headers).end(small))
  t.match(sent, { outcome: 'sent' }, 'a proxy that compresses unasked does no harm')
})

test('an answer that drips for minutes ends with the signal', async t => {
  const drip = (status: number) => (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    const timer = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(timer))
  }
  const started = performance.now()
  t.match(await outcomeOf(t, drip(200), { signal: AbortSignal.timeout(300) }), { outcome: 'unknown' })
  t.match(await outcomeOf(t, drip(422), { signal: AbortSignal.timeout(300) }), { outcome: 'rejected' })
  t.ok(performance.now() - started < 3_000)
})

test('a channel that cannot be called sends nothing', async t => {
  const context = contextOf({ fetch: () => Promise.reject(new Error('called')) })
  const send = (channel: ConnectedChannel) => genericConnector.send!(channel, { webhook_id: ID, body: '{}' }, context)
  t.match(await send(channelOf(undefined)), { outcome: 'rejected', reason: /no reply_url/ })
  const unsigned = { ...channelOf('https://shop.example/'), credentials: { bearer_secret: 'x'.repeat(24) } }
  t.match(await send(unsigned), { outcome: 'rejected', reason: /no signing secret/ })
})

test('a reply_url that leads inside is refused before anything is sent', async t => {
  const inside = createEgressFetch([], (_name, _options, callback) =>
    callback(null, [{ address: '10.0.0.1', family: 4 }]),
  )
  for (const url of ['http://127.0.0.1/', 'https://shop.example/']) {
    const outcome = await sendTo(url, contextOf({ fetch: inside }))
    t.same(outcome, { outcome: 'rejected', reason: 'The reply_url is not an address that may be called.' }, url)
  }
})

test('replies are fetched where there is no reply_url', async t => {
  t.equal(genericConnector.pulled!({ settings: {} }), true)
  t.equal(genericConnector.pulled!({ settings: { reply_url: 'https://shop.example/' } }), false)
})
