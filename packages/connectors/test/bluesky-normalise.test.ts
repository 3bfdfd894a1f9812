import { readFileSync } from 'node:fs'
import { connectorMessage } from '@parley/contracts'
import { connectedChannel } from '@parley/testing'
import { test } from 'tap'
import { z } from 'zod'
import { blueskyConnector } from '../src/bluesky/index.ts'
import { MalformedPayload } from '../src/errors.ts'

// Written by peers/bluesky/record-payloads.ts from the network's own servers.
const file = new URL('../../../peers/bluesky/recorded-payloads.json', import.meta.url)
const payload = z.object({ our_did: z.string(), notification: z.record(z.string(), z.unknown()) })
const recorded = z
  .object({
    our_did: z.string(),
    news: z.object({ uri: z.string(), cid: z.string() }),
    mention: payload,
    reply: payload,
    quote: payload,
    shortened: payload,
    comment: payload,
    everything: payload,
  })
  .parse(JSON.parse(readFileSync(file, 'utf8')))

const channel = connectedChannel()
const received_at = new Date('2027-01-01T00:00:00.000Z')

function normalise(payload: unknown, at = received_at) {
  return blueskyConnector.normalise(channel, payload, at)
}

function message(payload: unknown, at = received_at) {
  return connectorMessage.parse(normalise(payload, at))
}

/** A recorded payload with other contents in its post. */
function withRecord({ our_did, notification }: z.infer<typeof payload>, fields: Record<string, unknown>) {
  return { our_did, notification: { ...notification, record: { ...(notification.record as object), ...fields } } }
}

test('a mention is a thread of its own, by the author as the network knows them', async t => {
  const { notification } = recorded.mention
  const { uri, cid } = z.object({ uri: z.string(), cid: z.string() }).parse(notification)
  const [did, rkey] = [uri.split('/')[2]!, uri.split('/')[4]!]
  t.strictSame(message(recorded.mention), {
    type: 'message',
    external_id: uri,
    thread_key: uri,
    parent_external_id: null,
    kind: 'mention',
    visibility: 'public',
    author: { external_id: did, handle: 'anna.test', display_name: 'Ana 🌻', avatar_url: null },
    text: 'Hello @brand.test, 🌻 is this right?',
    html: null,
    text_marks: [],
    subject: null,
    permalink: `https://bsky.app/profile/${did}/post/${rkey}`,
    occurred_at: (notification.record as { createdAt: string }).createdAt,
    version_at: received_at.toISOString(),
    from_us: false,
    send_token: null,
    reply_context: { uri, cid, root: { uri, cid } },
    post: {
      external_id: uri,
      permalink: `https://bsky.app/profile/${did}/post/${rkey}`,
      author: { external_id: did, handle: null, display_name: null },
      from_us: false,
      version_at: new Date(0).toISOString(),
    },
  })
})

test('an answer to our post belongs to the thread of that post', async t => {
  const { uri, cid } = z.object({ uri: z.string(), cid: z.string() }).parse(recorded.reply.notification)
  t.match(message(recorded.reply), {
    kind: 'reply',
    thread_key: recorded.news.uri,
    parent_external_id: recorded.news.uri,
    reply_context: { uri, cid, root: recorded.news },
    post: { external_id: recorded.news.uri, from_us: true },
  })
})

test('an answer to somebody else below our post is a comment of our thread', async t => {
  t.match(message(recorded.comment), {
    kind: 'comment',
    thread_key: recorded.news.uri,
    parent_external_id: recorded.reply.notification.uri,
    author: { handle: 'bobby.test', display_name: null },
  })
})

test('a quote of our post is a thread of its own', async t => {
  t.match(message(recorded.quote), {
    kind: 'quote',
    thread_key: recorded.quote.notification.uri,
    parent_external_id: null,
  })
})

test('the kind comes from the post, not from the reason it was notified for', async t => {
  t.equal(recorded.everything.notification.reason, 'mention')
  t.match(message(recorded.everything), { kind: 'quote', thread_key: recorded.news.uri })
})

test('a quote with pictures beside it is a quote', async t => {
  const embed = { $type: 'app.bsky.embed.recordWithMedia', record: { record: recorded.news }, media: {} }
  t.equal(message(withRecord(recorded.mention, { embed })).kind, 'quote')
})

test('a quote of a post that is not ours is a mention', async t => {
  const record = { uri: recorded.mention.notification.uri, cid: 'x' }
  const embed = { $type: 'app.bsky.embed.record', record }
  t.equal(message(withRecord(recorded.mention, { embed })).kind, 'mention')
})

test('a shortened link is written out, whatever characters stand before it', async t => {
  t.equal(message(recorded.shortened).text, '👩‍👩‍👧 @brand.test see https://shop.example.com/very/long/path?x=1')
})

test('what cannot be stored is taken out and told, and links stay where they are', async t => {
  const link = { $type: 'app.bsky.richtext.facet#link', uri: 'https://example.com/a' }
  const facets = [{ index: { byteStart: 6, byteEnd: 10 }, features: [link] }]
  const { text, text_marks } = message(withRecord(recorded.mention, { text: 'a\0b\ud800link', facets }))
  t.strictSame([text, text_marks], ['ab\ufffdhttps://example.com/a', ['nul_removed', 'surrogates_replaced']])
  const { our_did, notification } = recorded.mention
  const dirty = 'x\0\ud800'
  const reply = { root: { uri: dirty, cid: dirty }, parent: { uri: dirty, cid: dirty } }
  const author = { ...(notification.author as object), handle: dirty, displayName: dirty, avatar: '\0' }
  const cleaned = message(withRecord({ our_did, notification: { ...notification, cid: dirty, author } }, { reply }))
  t.notMatch(JSON.stringify(cleaned), /\\u0000|\\ud800/)
  t.match(cleaned, { thread_key: 'x\ufffd', author: { handle: 'x\ufffd', avatar_url: null }, text_marks: [] })
})

test('facets that make no sense leave the text as it is', async t => {
  const link = { $type: 'app.bsky.richtext.facet#link', uri: 'https://example.com' }
  const facets = [
    { index: { byteStart: 0, byteEnd: 9999 }, features: [link] },
    { index: { byteStart: -1, byteEnd: 2 }, features: [link] },
    { index: { byteStart: 3, byteEnd: 1 }, features: [link] },
    { index: { byteStart: 0, byteEnd: 3 }, features: [{ $type: link.$type, uri: 7 }] },
    { index: { byteStart: 0, byteEnd: 3 }, features: [{ $type: 'com.example.unheard#of' }] },
    'facet',
    null,
  ]
  t.equal(message(withRecord(recorded.mention, { text: 'plain', facets })).text, 'plain')
  t.equal(message(withRecord(recorded.mention, { text: 'plain', facets: {} })).text, 'plain')
})

test('a declared time is believed only when it lies in the past', async t => {
  const occurred = (createdAt: unknown) => message(withRecord(recorded.mention, { createdAt })).occurred_at
  t.equal(occurred('2026-12-31T20:00:00-02:00'), '2026-12-31T22:00:00.000Z')
  for (const unbelievable of ['2031-01-01T00:00:00Z', 'yesterday', '0000-01-01T00:00:00Z', undefined, 5])
    t.equal(occurred(unbelievable), received_at.toISOString())
})

test('a later receipt of the same post is its newer version', async t => {
  const earlier = message(recorded.mention)
  const later = message(recorded.mention, new Date('2027-01-02T00:00:00.000Z'))
  t.equal(later.external_id, earlier.external_id)
  t.ok(later.version_at > earlier.version_at)
})

test('a handle that does not lead back to its account is no handle', async t => {
  const { our_did, notification } = recorded.mention
  const author = { ...(notification.author as object), handle: 'handle.invalid', displayName: '' }
  t.match(message({ our_did, notification: { ...notification, author } }).author, { handle: null, display_name: null })
})

test('a post of our own is marked as ours', async t => {
  const author = recorded.mention.notification.author as { did: string }
  t.equal(message({ ...recorded.mention, our_did: author.did }).from_us, true)
})

test('likes and other reasons are ignored', async t => {
  const { our_did, notification } = recorded.mention
  t.match(normalise({ our_did, notification: { ...notification, reason: 'like' } }), { type: 'ignored' })
  t.match(normalise(withRecord(recorded.mention, { $type: 'com.example.post' })), { type: 'ignored' })
})

test('a payload of another shape is malformed, and the message names the part', async t => {
  const { our_did, notification } = recorded.mention
  t.throws(() => normalise(null), MalformedPayload)
  t.throws(() => normalise({ our_did }), { name: 'MalformedPayload', message: /notification/ })
  t.throws(() => normalise(withRecord(recorded.mention, { text: 5 })), { message: /record\.text/ })
  t.throws(() => normalise(withRecord(recorded.mention, { reply: { root: {} } })), { message: /record\.reply/ })
  t.throws(
    () => normalise({ our_did, notification: { ...notification, uri: 'at://brand.test/x/y' } }),
    MalformedPayload,
  )
  t.throws(() => normalise({ our_did, notification: { ...notification, author: { did: 'did:plc:somebodyelse' } } }), {
    name: 'MalformedPayload',
    message: /author/,
  })
})

test('fields the network adds are no reason to refuse a payload', async t => {
  const { our_did, notification } = recorded.mention
  t.match(normalise({ our_did, new: 1, notification: { ...notification, new: { deep: [] } } }), { type: 'message' })
})
