import { connectedChannel, connectorContext } from '@parley/testing'
import { test } from 'tap'
import { blueskyConnector } from '../src/bluesky/index.ts'
import { recordKey } from '../src/bluesky/record-key.ts'
import type { ConnectorContext, OutgoingAttachment } from '../src/connector.ts'
import { TooLate } from '../src/errors.ts'
import { timeOfId } from '../src/time-of-id.ts'

const now = new Date('2026-11-22T12:00:10.500Z')
const service_url = 'https://pds.example'
const did = 'did:plc:brand'
const channel = connectedChannel({
  external_id: did,
  settings: { service_url },
  credentials: { identifier: 'brand.example', app_password: 'secret' },
  session: {
    did,
    handle: 'brand.example',
    accessJwt: 'access',
    refreshJwt: 'refresh',
    pds_url: service_url,
    service_url,
    identifier: 'brand.example',
  },
})
const parent = { uri: 'at://did:plc:ana/app.bsky.feed.post/3lzzzzzzzzz2a', cid: 'bafy' }
const rkey = '3lzzzzzzzzz2b'
const uri = `at://${did}/app.bsky.feed.post/${rkey}`
const record = {
  $type: 'app.bsky.feed.post',
  text: 'Hello',
  createdAt: '2026-11-22T12:00:00.000Z',
  reply: { root: parent, parent },
}
const reply = {
  message_id: '019ab2c3-d4e5-7abc-9def-0123456789ab',
  text: 'Hi',
  visibility: 'public' as const,
  thread_key: parent.uri,
  queued_at: now,
  in_reply_to: {
    external_id: parent.uri,
    reply_context: { ...parent, root: parent },
    visibility: 'public' as const,
    from_us: false,
  },
  attachments: [],
}
const prepared = { repo: did, collection: 'app.bsky.feed.post', rkey, swapRecord: null, record }

type Answers = Record<string, () => Response | Promise<Response>>

/** A network that answers each method as told, and anything else not at all. */
function networkOf(answers: Answers, calls: string[] = [], more: Partial<ConnectorContext> = {}): ConnectorContext {
  const answer = async (input: unknown) => {
    const nsid = new URL(String(input)).pathname.split('.').at(-1)!
    calls.push(nsid)
    const reply = answers[nsid]
    if (!reply) throw new TypeError('fetch failed')
    return reply()
  }
  return connectorContext({ now: () => now, fetch: answer as typeof fetch, ...more })
}

function refusal(status: number, error: string, headers: Record<string, string> = {}) {
  return () => Response.json({ error, message: 'because' }, { status, headers })
}

function send(answers: Answers) {
  return blueskyConnector.send!(channel, prepared, networkOf(answers))
}

const stored = () => Response.json({ uri, cid: 'c', value: record })
const put =
  (body: object = { commit: { rev: 'r' } }, headers = {}) =>
  () =>
    Response.json({ uri, cid: 'c', ...body }, { headers })

test('a stored post is sent, under the key we chose', async t => {
  t.match(await send({ putRecord: put() }), {
    outcome: 'sent',
    external_id: uri,
    permalink: `https://bsky.app/profile/${did}/post/${rkey}`,
    accepted_at: now,
  })
})

test("the network's clock is believed between our call and its answer only", async t => {
  for (const date of ['Sun, 22 Nov 2026 11:00:00 GMT', 'Sun, 22 Nov 2026 13:00:00 GMT', 'soon'])
    t.match(await send({ putRecord: put(undefined, { date }) }), { outcome: 'sent', accepted_at: now })
})

test('a post stored by an earlier attempt keeps the time it was first seen', async t => {
  const indexedAt = '2026-11-22T12:00:05.000Z'
  const getPosts = () => Response.json({ posts: [{ uri, indexedAt }] })
  t.match(await send({ putRecord: put({}), getPosts }), { outcome: 'sent', accepted_at: new Date(indexedAt) })
  t.match(await send({ putRecord: put({}) }), { outcome: 'sent', accepted_at: new Date(record.createdAt) })
})

test('refusals the network names are final', async t => {
  for (const status of [400, 403, 413])
    t.match(await send({ putRecord: refusal(status, 'InvalidRequest') }), { outcome: 'rejected', reason: /because/ })
})

test('an answer that leaves less than a post takes says until when nothing more is written', async t => {
  const reset = String(now.getTime() / 1000 + 29.5)
  for (const [remaining, expected] of [
    ['2', [['writes', new Date(now.getTime() + 30_500)]]],
    ['3', []],
  ] as const) {
    const reached: unknown[] = []
    const limitReached = async (...told: unknown[]) => void reached.push(told)
    const headers = { 'ratelimit-remaining': remaining, 'ratelimit-reset': reset }
    const network = networkOf({ putRecord: put(undefined, headers) }, [], { limitReached })
    t.match(await blueskyConnector.send!(channel, prepared, network), { outcome: 'sent' })
    t.same(reached, expected, remaining)
  }
})

test('a limit means to wait until it is over', async t => {
  const reset = String(now.getTime() / 1000 + 29.5)
  t.match(await send({ putRecord: refusal(429, 'RateLimitExceeded', { 'ratelimit-reset': reset }) }), {
    outcome: 'retry',
    retry_at: new Date(now.getTime() + 30_500),
  })
  t.match(await send({ putRecord: refusal(429, 'RateLimitExceeded') }), {
    outcome: 'retry',
    retry_at: new Date(now.getTime() + 30_000),
  })
})

test('an answer that proves nothing leaves the outcome unknown', async t => {
  const proxy = (status: number) => () => new Response('<html>', { status })
  const doubtful: Answers[] = [
    {},
    { putRecord: refusal(500, 'InternalServerError') },
    { putRecord: refusal(502, 'UpstreamFailure') },
    { putRecord: refusal(408, 'RequestTimeout') },
    { putRecord: proxy(403) },
    { putRecord: proxy(503) },
    { putRecord: proxy(200) },
    { putRecord: () => Response.json({ uri: 'at://else' }) },
    { putRecord: refusal(400, 'InvalidSwap') },
    { putRecord: refusal(400, 'InvalidSwap'), getRecord: refusal(400, 'RecordNotFound') },
    {
      putRecord: refusal(400, 'InvalidSwap'),
      getRecord: refusal(401, 'AuthMissing'),
      refreshSession: refusal(400, 'ExpiredToken'),
      createSession: refusal(401, 'AuthenticationRequired'),
    },
  ]
  for (const answers of doubtful) t.match(await send(answers), { outcome: 'unknown' })
})

test('a taken key is ours when the post under it is', async t => {
  const putRecord = refusal(400, 'InvalidSwap')
  t.match(await send({ putRecord, getRecord: stored }), { outcome: 'sent', external_id: uri })
  const other = () => Response.json({ value: { ...record, text: 'Other' } })
  t.match(await send({ putRecord, getRecord: other }), { outcome: 'rejected' })
})

test('a session that cannot be renewed just now stored nothing', async t => {
  const putRecord = refusal(400, 'ExpiredToken')
  t.match(await send({ putRecord }), { outcome: 'retry' })
  t.match(await send({ putRecord, refreshSession: refusal(503, 'Unavailable') }), { outcome: 'retry' })
})

test('a revoked app password stores nothing and loses nothing: the reply waits for another one', async t => {
  const answers = {
    putRecord: refusal(400, 'ExpiredToken'),
    refreshSession: refusal(400, 'ExpiredToken'),
    createSession: refusal(401, 'AuthenticationRequired'),
  }
  t.match(await send(answers), { outcome: 'retry', reason: /refuses this login/ })
})

test('a second factor asks for an app password', async t => {
  const context = networkOf({ createSession: refusal(401, 'AuthFactorTokenRequired') })
  const poll = blueskyConnector.poll!({ ...channel, session: null }, null, context)
  await t.rejects(poll, { code: 'channel_auth_failed', message: /app password/ })
})

test('a login to another account is refused', async t => {
  const tokens = { did: 'did:plc:other', handle: 'other.example', accessJwt: 'a', refreshJwt: 'r' }
  const context = networkOf({ createSession: () => Response.json(tokens) })
  const poll = blueskyConnector.poll!({ ...channel, session: null }, null, context)
  await t.rejects(poll, { code: 'channel_auth_failed', message: /did:plc:other/ })
})

test('a look-up is sure only of the record itself', async t => {
  const find = (answers: Answers) => blueskyConnector.findSent!(channel, prepared, networkOf(answers))
  t.match(await find({ getRecord: stored }), { outcome: 'sent', external_id: uri })
  t.match(await find({ getRecord: refusal(400, 'RecordNotFound') }), { outcome: 'not_found' })
  const doubtful: Answers[] = [
    {},
    { getRecord: refusal(400, 'InvalidRequest') },
    { getRecord: refusal(404, 'NotFound') },
    { getRecord: () => Response.json({ value: { text: 'Other' } }) },
    { getRecord: () => new Response('<html>') },
  ]
  for (const answers of doubtful) t.match(await find(answers), { outcome: 'unknown' })
})

test('an expired session is renewed once, and saved before it is used', async t => {
  const calls: string[] = []
  const saved: unknown[] = []
  let token = 'access'
  const context = networkOf(
    {
      getPosts: () => (token === 'access' ? refusal(400, 'ExpiredToken')() : Response.json({ posts: [{}] })),
      resolveHandle: () => Response.json({ did: 'did:plc:x' }),
      refreshSession: () => {
        token = 'renewed'
        return Response.json({ did, handle: 'brand.example', accessJwt: token, refreshJwt: 'r2' })
      },
    },
    calls,
    {
      saveSession: async session => {
        t.notOk(calls.slice(calls.indexOf('refreshSession') + 1).length, 'nothing was called with it yet')
        saved.push(session)
      },
    },
  )
  await blueskyConnector.prepare!(channel, reply, context)
  t.strictSame(calls, ['getPosts', 'refreshSession', 'getPosts'])
  t.match(saved, [{ accessJwt: 'renewed', refreshJwt: 'r2', did }])
})

test('while another worker renews the session, its tokens are used and none are asked for', async t => {
  const calls: string[] = []
  const theirs = { ...channel.session, accessJwt: 'theirs', refreshJwt: 'r2' }
  const tokens: unknown[] = []
  const fetch = async (input: unknown, init?: RequestInit) => {
    calls.push(new URL(String(input)).pathname.split('.').at(-1)!)
    const { authorization } = init!.headers as Record<string, string>
    tokens.push(authorization)
    return authorization === 'Bearer access' ? refusal(400, 'ExpiredToken')() : put()()
  }
  const stale: boolean[] = []
  const context = connectorContext({
    now: () => now,
    fetch: fetch as typeof globalThis.fetch,
    renewSession: async isStale => {
      stale.push(isStale(channel.session), isStale(null), isStale(theirs))
      return theirs
    },
  })
  t.match(await blueskyConnector.send!(channel, prepared, context), { outcome: 'sent' })
  t.strictSame(
    [calls, tokens],
    [
      ['putRecord', 'putRecord'],
      ['Bearer access', 'Bearer theirs'],
    ],
  )
  t.strictSame(stale, [true, true, false])
})

test('tokens of another account are refused before they are kept', async t => {
  const saved: unknown[] = []
  const context = networkOf(
    {
      getPosts: refusal(400, 'ExpiredToken'),
      refreshSession: () => Response.json({ did: 'did:plc:other', handle: 'o', accessJwt: 'a', refreshJwt: 'r' }),
    },
    [],
    { saveSession: async session => void saved.push(session) },
  )
  await t.rejects(blueskyConnector.prepare!(channel, reply, context), { code: 'channel_auth_failed' })
  t.strictSame(saved, [])
})

test('a worker that slept past its time writes nothing', async t => {
  const calls: string[] = []
  const late = networkOf({ putRecord: put() }, calls, {
    assertInTime: () => {
      throw new TooLate('too late')
    },
  })
  await t.rejects(blueskyConnector.send!(channel, prepared, late), { name: 'TooLate' })
  t.strictSame(calls, [])
})

test('the key of a reply follows from its id: prepared again it is the same post', async t => {
  const context = networkOf({ getPosts: () => Response.json({ posts: [{}] }) })
  const first = await blueskyConnector.prepare!(channel, reply, context)
  const again = await blueskyConnector.prepare!(channel, { ...reply, text: 'Hi again' }, context)
  t.match(first, { rkey: recordKey(reply.message_id), repo: did })
  t.equal(again.rkey, first.rkey)
  t.equal(blueskyConnector.expectedId!(first), `at://${did}/app.bsky.feed.post/${first.rkey}`)
})

test('a sent post tells what is needed to answer it', async t => {
  const reply_context = { uri, cid: 'c', root: parent }
  t.match(await send({ putRecord: put() }), { outcome: 'sent', reply_context })
  t.match(await send({ putRecord: put({}) }), { outcome: 'sent', reply_context })
  t.match(await send({ putRecord: refusal(400, 'InvalidSwap'), getRecord: stored }), { outcome: 'sent', reply_context })
  const found = await blueskyConnector.findSent!(channel, prepared, networkOf({ getRecord: stored }))
  t.match(found, { outcome: 'sent', reply_context })
})

test('our own post can be answered before the AppView has heard of it', async t => {
  const own = { uri, cid: 'c' }
  const part = {
    ...reply,
    in_reply_to: { ...reply.in_reply_to, reply_context: { ...own, root: parent }, from_us: true },
  }
  const getPosts = () => Response.json({ posts: [] })
  const next = await blueskyConnector.prepare!(channel, part, networkOf({ getPosts, getRecord: stored }))
  t.match(next.record, { reply: { root: parent, parent: own } })
  const gone = networkOf({ getPosts, getRecord: refusal(400, 'RecordNotFound'), getProfile: () => Response.json({}) })
  await t.rejects(blueskyConnector.prepare!(channel, part, gone), { code: 'send_refused', message: /deleted/ })
})

function image(fields: Partial<OutgoingAttachment> = {}): OutgoingAttachment {
  const content = Buffer.from('a picture')
  const about = { id: '1', media_type: 'image/png', filename: 'kettle.png', alt_text: 'A kettle' }
  return { ...about, byte_size: content.length, read: async () => content, ...fields }
}

const blob = { $type: 'blob', ref: { $link: 'bafkpicture' }, mimeType: 'image/png', size: 9 }
const uploadBlob = () => Response.json({ blob })

test('images are uploaded when the reply is prepared, with what they show in words', async t => {
  const sent: unknown[] = []
  const answers: Answers = { getPosts: () => Response.json({ posts: [{}] }), uploadBlob }
  const plain = networkOf(answers)
  const fetch = (async (input, init) => {
    if (String(input).endsWith('uploadBlob')) sent.push([init?.method, init?.headers, String(init?.body)])
    return plain.fetch(input, init)
  }) as typeof globalThis.fetch
  const attachments = [image(), image({ alt_text: null })]
  const post = await blueskyConnector.prepare!(channel, { ...reply, text: '', attachments }, { ...plain, fetch })
  t.match(sent[0], ['POST', { 'content-type': 'image/png' }, 'a picture'])
  t.strictSame((post.record as { embed: unknown }).embed, {
    $type: 'app.bsky.embed.images',
    images: [
      { image: blob, alt: 'A kettle' },
      { image: blob, alt: '' },
    ],
  })
  t.match(await blueskyConnector.send!(channel, post, networkOf({ putRecord: () => refusal(500, 'x')() })), {
    outcome: 'unknown',
  })
})

test('files that Bluesky would not take are refused before anything is called', async t => {
  const calls: string[] = []
  const refused: [OutgoingAttachment[], RegExp][] = [
    [Array.from({ length: 5 }, () => image()), /at most 4 images, this has 5/],
    [[image({ media_type: 'image/svg+xml' })], /kettle.png is image\/svg\+xml/],
    [[image({ byte_size: 1_000_001, filename: null })], /An image has 1000001 bytes/],
  ]
  for (const [attachments, message] of refused) {
    const prepare = blueskyConnector.prepare!(channel, { ...reply, attachments }, networkOf({}, calls))
    await t.rejects(prepare, { code: 'send_refused', message })
  }
  t.strictSame(calls, [])
  const answers: Answers = { getPosts: () => Response.json({ posts: [{}] }) }
  const upload = (uploadBlob: () => Response) =>
    blueskyConnector.prepare!(channel, { ...reply, attachments: [image()] }, networkOf({ ...answers, uploadBlob }))
  await t.rejects(upload(refusal(413, 'PayloadTooLarge')), { code: 'send_refused', message: /kettle.png/ })
  await t.rejects(upload(refusal(400, 'InvalidMimeType')), { code: 'send_refused' })
  await t.rejects(upload(refusal(429, 'RateLimitExceeded')), { code: 'network_unavailable' })
  await t.rejects(upload(refusal(503, 'Unavailable')), { code: 'network_unavailable' })
})

test('images the server has thrown away are uploaded again, once', async t => {
  const putRecord = refusal(400, 'BlobNotFound')
  const at = (minutes: number) => ({
    ...networkOf({ putRecord }),
    now: () => new Date(now.getTime() + minutes * 60_000),
  })
  t.match(await blueskyConnector.send!(channel, prepared, at(60)), { outcome: 'retry' })
  t.match(await blueskyConnector.send!(channel, prepared, at(1)), { outcome: 'rejected', reason: /BlobNotFound/ })
})

const idAt = (ms: number, random = 'fedcba98') => {
  const hex = ms.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7abc-9def-0123${random}`
}

test('a record key is a TID of the time of its id, always the same, and seldom that of another', async t => {
  const digits = '234567abcdefghijklmnopqrstuvwxyz'
  const ids = Array.from({ length: 20_000 }, (_, at) => idAt(now.getTime() + at, at.toString(16).padStart(8, '0')))
  const keys = ids.map(recordKey)
  t.equal(new Set(keys).size, keys.length)
  t.strictSame(ids.map(recordKey), keys)
  t.strictSame(keys.toSorted(), keys, 'they sort by time')
  const stray = keys.filter((key, at) => {
    if (!/^[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}$/.test(key)) return true
    const microseconds = [...key.slice(0, 11)].reduce((sum, digit) => sum * 32 + digits.indexOf(digit), 0)
    return Math.floor(microseconds / 1000) !== now.getTime() + at
  })
  t.same(stray, [])
  // Written down once: a key that changes with a version of ours would post a second time after a restore.
  t.equal(recordKey('019ab2c3-d4e5-7abc-9def-0123456789ab'), '3m6ddajjc4mhf')
  const sameMoment = Array.from({ length: 500 }, (_, at) =>
    recordKey(idAt(now.getTime(), (at * 7919).toString(16).padStart(8, '0'))),
  )
  t.ok(new Set(sameMoment).size >= 499)
  t.strictSame(timeOfId(idAt(now.getTime())), now)
  for (const id of ['1', '', '019ab2c3-d4e5-4abc-9def-0123456789ab']) {
    t.throws(() => recordKey(id), /UUIDv7/)
    t.throws(() => timeOfId(id), /UUIDv7/)
  }
})

test('settings take the https address of a server', async t => {
  const { settingsSchema, credentialsSchema } = blueskyConnector
  t.strictSame(settingsSchema.parse({}), { service_url: 'https://bsky.social' })
  t.strictSame(settingsSchema.parse({ service_url: 'https://pds.example/' }), { service_url: 'https://pds.example' })
  t.ok(settingsSchema.safeParse({ service_url: 'http://localhost:2583' }).success)
  for (const service_url of [
    'http://pds.example',
    'pds.example',
    'https://u:p@pds.example',
    'https://pds.example/xrpc',
    'file:///',
  ])
    t.notOk(settingsSchema.safeParse({ service_url }).success, service_url)
  t.notOk(settingsSchema.safeParse({ service_url: 'https://pds.example', more: 1 }).success)
  t.notOk(credentialsSchema.safeParse({ identifier: 'a', app_password: 'b', more: 1 }).success)
})
