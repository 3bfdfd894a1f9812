import { connectedChannel, connectorContext } from '@parley/testing'
import { test } from 'tap'
import { blueskyConnector } from '../src/bluesky/index.ts'
import { tid } from '../src/bluesky/tid.ts'
import type { ConnectorContext } from '../src/connector.ts'

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
const prepared = { repo: did, collection: 'app.bsky.feed.post', rkey, swapRecord: null, record }

type Answers = Record<string, () => Response | Promise<Response>>

/** A network that answers each method as told, and anything else not at all. */
function networkOf(answers: Answers, calls: string[] = []): ConnectorContext {
  const answer = async (input: unknown) => {
    const nsid = new URL(String(input)).pathname.split('.').at(-1)!
    calls.push(nsid)
    const reply = answers[nsid]
    if (!reply) throw new TypeError('fetch failed')
    return reply()
  }
  return connectorContext({ now: () => now, fetch: answer as typeof fetch })
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

test('a revoked app password rejects the reply', async t => {
  const answers = {
    putRecord: refusal(400, 'ExpiredToken'),
    refreshSession: refusal(400, 'ExpiredToken'),
    createSession: refusal(401, 'AuthenticationRequired'),
  }
  t.match(await send(answers), { outcome: 'rejected', reason: /refuses this login/ })
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
  )
  const saved: unknown[] = []
  const reply = {
    message_id: '1',
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
  await blueskyConnector.prepare!(channel, reply, {
    ...context,
    saveSession: async session => void saved.push(session),
  })
  t.strictSame(calls, ['getPosts', 'refreshSession', 'getPosts'])
  t.match(saved, [{ accessJwt: 'renewed', refreshJwt: 'r2', did }])
})

test('a record key is a TID of its time, and no two are alike', async t => {
  const digits = '234567abcdefghijklmnopqrstuvwxyz'
  const keys = Array.from({ length: 20_000 }, () => tid(now))
  t.equal(new Set(keys).size, keys.length)
  const stray = keys.filter(key => {
    if (!/^[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}$/.test(key)) return true
    const microseconds = [...key.slice(0, 11)].reduce((sum, digit) => sum * 32 + digits.indexOf(digit), 0)
    return Math.floor(microseconds / 1000) !== now.getTime()
  })
  t.same(stray, [])
  t.ok(tid(new Date(now.getTime() + 1)) > keys.toSorted().at(-1)!)
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
