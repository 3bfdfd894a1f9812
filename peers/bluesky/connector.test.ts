import type { AppBskyRichtextFacet } from '@atproto/api'
import { newId } from '@parley/db'
import t, { type Test, test } from 'tap'
import { blueskyConnector } from '../../packages/connectors/src/bluesky/index.ts'
import type { ConnectedChannel, ConnectorContext, OutgoingReply } from '../../packages/connectors/src/connector.ts'
import { connectorMessage } from '../../packages/contracts/src/connector-events.ts'
import {
  answerTo,
  connectChannel,
  contextFor,
  countingFetch,
  createPerson,
  type PostRef,
  post,
  quoteOf,
} from './people.ts'
import { startNetwork } from './start-network.ts'

const { PEER_POSTGRES_URL, PEER_REDIS_HOST } = process.env
if (!PEER_POSTGRES_URL || !PEER_REDIS_HOST) throw new Error('Set PEER_POSTGRES_URL and PEER_REDIS_HOST')

const identify = blueskyConnector.identify!
const poll = blueskyConnector.poll!
const send = blueskyConnector.send!
const findSent = blueskyConnector.findSent!

const network = await startNetwork({ postgresUrl: PEER_POSTGRES_URL, redisHost: PEER_REDIS_HOST, rateLimits: true })
t.teardown(network.stop)
t.setTimeout(120_000)
const brand = await createPerson(network.pds_url, 'brand.test')
const ana = await createPerson(network.pds_url, 'anna.test')
const channel = await connectChannel(brand, network.pds_url, 'inbox')
const news = await post(brand, 'Our new opening hours')
await network.flush()

type Found = { dedup_key: string; message: ReturnType<typeof connectorMessage.parse> }

/** Everything one round of polling brings, described in Parley's words. */
async function pollAll(cursor: Record<string, unknown> | null = null) {
  const found: Found[] = []
  for (let state = cursor; ; ) {
    const page = await poll(channel, state, contextFor(channel))
    for (const { dedup_key, payload } of page.events) {
      const event = blueskyConnector.normalise(channel, payload, new Date())
      found.push({ dedup_key, message: connectorMessage.parse(event) })
    }
    state = page.cursor
    if (!page.more) return { found, cursor: state }
  }
}

/** The message a post of a customer becomes. */
async function receive(t: Test, ref: PostRef) {
  await network.flush()
  const { found } = await pollAll()
  const received = found.find(({ message }) => message.external_id === ref.uri)?.message
  if (!received) throw t.fail(`${ref.uri} was not received`)
  return received
}

function replyTo({ external_id, thread_key, reply_context }: Found['message'], text: string): OutgoingReply {
  const in_reply_to = { external_id, reply_context, visibility: 'public' as const, from_us: false }
  return {
    message_id: newId(new Date()),
    text,
    visibility: 'public',
    thread_key,
    queued_at: new Date(),
    in_reply_to,
    attachments: [],
  }
}

function prepare(reply: OutgoingReply, context: Partial<ConnectorContext> = {}) {
  return blueskyConnector.prepare!(channel, reply, contextFor(channel, context))
}

/** The direct answers to a post, as the customer's own client shows them. */
async function answersSeenBy(person: typeof ana, uri: string) {
  await network.flush()
  const { data } = await person.getPostThread({ uri })
  const { replies = [] } = data.thread as { replies?: { post: { uri: string; record: { text: string } } }[] }
  return replies.map(({ post }) => ({ uri: post.uri, text: post.record.text }))
}

test('the account behind the credentials is known by its DID', async t => {
  t.strictSame(await identify(channel, contextFor(channel)), { external_id: brand.assertDid })
})

test('a wrong password is an authentication error', async t => {
  const credentials = { ...channel.credentials, app_password: 'wrong' }
  const wrong = { ...channel, credentials, session: null }
  await t.rejects(poll(wrong, null, contextFor(wrong)), { name: 'ChannelAuthError', code: 'channel_auth_failed' })
})

test('a mention, a reply and a quote are each found once over overlapping polls', async t => {
  const mention = await post(ana, 'Hello @brand.test, is this right?')
  await network.flush()
  const first = await pollAll()
  const reply = await post(ana, 'What about Sunday?', answerTo(news))
  const quote = await post(ana, 'Look at this', quoteOf(news))
  await network.flush()
  const second = await pollAll(first.cursor)
  const third = await pollAll(second.cursor)

  t.match(first.found, [{ message: { external_id: mention.uri } }])
  const ledger = new Map<string, Found>()
  for (const found of [...first.found, ...second.found, ...third.found]) ledger.set(found.dedup_key, found)
  t.equal(ledger.size, 3)
  const messageOf = ({ uri, cid }: PostRef) => ledger.get(`${uri}#${cid}`)?.message
  t.match(messageOf(mention), { kind: 'mention', thread_key: mention.uri, author: { handle: 'anna.test' } })
  t.match(messageOf(reply), { kind: 'reply', thread_key: news.uri, text: 'What about Sunday?' })
  t.match(messageOf(quote), { kind: 'quote', thread_key: quote.uri })
})

test('a reply lands in the right thread, where the customer is told of it', async t => {
  const question = await post(ana, 'Do you ship abroad?', answerTo(news))
  const prepared = await prepare(replyTo(await receive(t, question), 'Yes, everywhere!'))
  const before = Date.now()
  const outcome = await send(channel, prepared, contextFor(channel))
  t.match(outcome, { outcome: 'sent' })
  if (outcome.outcome !== 'sent') return
  t.ok(outcome.accepted_at.getTime() >= before && outcome.accepted_at.getTime() <= Date.now())

  t.strictSame(await answersSeenBy(ana, question.uri), [{ uri: outcome.external_id, text: 'Yes, everywhere!' }])
  const { data } = await ana.listNotifications()
  const { record } = data.notifications.find(({ uri }) => uri === outcome.external_id) ?? {}
  t.strictSame(record?.reply, { root: news, parent: question })
})

test('the same reply sent twice, or three times at once, is one post', async t => {
  const question = await post(ana, 'Twice @brand.test?')
  const prepared = await prepare(replyTo(await receive(t, question), 'Once.'))
  const again = () => send(channel, prepared, contextFor(channel))
  const outcomes = [await again(), await again(), ...(await Promise.all([again(), again(), again()]))]
  const [first] = outcomes
  for (const outcome of outcomes)
    t.match(outcome, { outcome: 'sent', external_id: first?.outcome === 'sent' ? first.external_id : '' })
  t.equal((await answersSeenBy(ana, question.uri)).length, 1)
})

test('a send is looked up before and after it happened', async t => {
  const question = await post(ana, 'Look me up, @brand.test')
  const prepared = await prepare(replyTo(await receive(t, question), 'Here you are'))
  t.strictSame(await findSent(channel, prepared, contextFor(channel)), { outcome: 'not_found' })
  const sent = await send(channel, prepared, contextFor(channel))
  await network.flush()
  const found = await findSent(channel, prepared, contextFor(channel))
  t.match(found, { outcome: 'sent', external_id: sent.outcome === 'sent' ? sent.external_id : '' })
})

test('a send whose answer is lost is unknown, then found, and sending it again adds nothing', async t => {
  const question = await post(ana, 'Lost answer, @brand.test')
  const prepared = await prepare(replyTo(await receive(t, question), 'Not lost'))
  const lossy: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    if (!String(input).endsWith('putRecord')) return response
    await response.text()
    throw new TypeError('socket hang up')
  }
  t.match(await send(channel, prepared, contextFor(channel, { fetch: lossy })), { outcome: 'unknown' })
  t.match(await findSent(channel, prepared, contextFor(channel)), { outcome: 'sent' })
  t.match(await send(channel, prepared, contextFor(channel)), { outcome: 'sent' })
  t.equal((await answersSeenBy(ana, question.uri)).length, 1)
})

test('a key that is taken by another text is never overwritten', async t => {
  const question = await post(ana, 'Overwrite, @brand.test?')
  const prepared = await prepare(replyTo(await receive(t, question), 'The first text'))
  await send(channel, prepared, contextFor(channel))
  const record = { ...(prepared.record as object), text: 'Another text' }
  t.match(await send(channel, { ...prepared, record }, contextFor(channel)), { outcome: 'rejected' })
  t.match(await findSent(channel, { ...prepared, record }, contextFor(channel)), { outcome: 'unknown' })
  t.match(await answersSeenBy(ana, question.uri), [{ text: 'The first text' }])
})

test('mentions and links behind emoji are where they should be, and unknown handles stay text', async t => {
  const question = await post(ana, 'Emoji, @brand.test')
  const text = '👩‍👩‍👧‍👦 é @anna.test and @nobody.test, see https://shop.example.com/a?b=1'
  const prepared = await prepare(replyTo(await receive(t, question), text))
  const outcome = await send(channel, prepared, contextFor(channel))
  t.match(outcome, { outcome: 'sent' })
  await network.flush()
  const { data } = await ana.listNotifications()
  const seen = data.notifications.find(({ uri }) => outcome.outcome === 'sent' && uri === outcome.external_id)
  const { facets = [] } = (seen?.record ?? {}) as { facets?: AppBskyRichtextFacet.Main[] }
  const marked = facets.map(({ index, features }) => {
    return [Buffer.from(text).subarray(index.byteStart, index.byteEnd).toString(), features[0]]
  })
  t.strictSame(marked, [
    ['@anna.test', { $type: 'app.bsky.richtext.facet#mention', did: ana.assertDid }],
    [
      'https://shop.example.com/a?b=1',
      { $type: 'app.bsky.richtext.facet#link', uri: 'https://shop.example.com/a?b=1' },
    ],
  ])
})

test('a text is as long as the network counts it, and refused beyond that', async t => {
  const question = await receive(t, await post(ana, 'How long, @brand.test?'))
  const family = '👩‍👩‍👧‍👦'
  const longest = await prepare(replyTo(question, 'é'.repeat(300)))
  t.match(await send(channel, longest, contextFor(channel)), { outcome: 'sent' })
  await t.rejects(prepare(replyTo(question, 'é'.repeat(301))), { code: 'send_refused', message: /301 characters/ })
  await t.rejects(prepare(replyTo(question, family.repeat(150))), { code: 'send_refused', message: /3750 bytes/ })
  // The network agrees with both.
  for (const text of ['é'.repeat(301), family.repeat(150)]) {
    const tooLong = { ...longest, rkey: '3lzzzzzzzzz2a', record: { ...(longest.record as object), text } }
    t.match(await send(channel, tooLong, contextFor(channel)), { outcome: 'rejected', reason: /InvalidRequest/ })
  }
})

test('a reply nobody would see is refused with the reason', async t => {
  const deleted = await post(ana, 'Soon gone, @brand.test')
  const toDeleted = replyTo(await receive(t, deleted), 'Hello?')
  await ana.deletePost(deleted.uri)

  const gated = await post(ana, 'Nobody may answer, @brand.test')
  const toGated = replyTo(await receive(t, gated), 'Hello?')
  const rkey = gated.uri.split('/').at(-1)!
  const createdAt = new Date().toISOString()
  await ana.app.bsky.feed.threadgate.create({ repo: ana.assertDid, rkey }, { post: gated.uri, allow: [], createdAt })

  const carl = await createPerson(network.pds_url, 'carl.test')
  const toBlocker = replyTo(await receive(t, await post(carl, 'Bye @brand.test')), 'Hello?')
  await carl.app.bsky.graph.block.create({ repo: carl.assertDid }, { subject: brand.assertDid, createdAt })
  await network.flush()

  await t.rejects(prepare(toDeleted), { code: 'send_refused', message: /deleted/ })
  await t.rejects(prepare(toGated), { code: 'send_refused', message: /limited who may reply/ })
  await t.rejects(prepare(toBlocker), { code: 'send_refused', message: /has blocked this account/ })
  await t.rejects(prepare({ ...toGated, visibility: 'private' }), { code: 'send_refused' })
  await t.rejects(prepare({ ...toGated, in_reply_to: null }), { code: 'send_refused' })
  await t.rejects(prepare({ ...toGated, text: ' \n' }), { code: 'send_refused' })
})

test('an edited post is a new event of the same message', async t => {
  const original = await post(ana, 'First @brand.test')
  const before = await receive(t, original)
  const [, , repo, collection, rkey] = original.uri.split('/') as [string, string, string, string, string]
  const { data } = await ana.com.atproto.repo.getRecord({ repo, collection, rkey })
  await ana.com.atproto.repo.putRecord({
    repo,
    collection,
    rkey,
    record: { ...data.value, text: 'Second @brand.test' },
  })
  await network.flush()
  const { found } = await pollAll()
  const [edited] = found.filter(({ message }) => message.external_id === original.uri)
  t.not(edited?.dedup_key, `${original.uri}#${original.cid}`)
  t.match(edited?.message, { text: 'Second @brand.test' })
  t.ok(edited!.message.version_at > before.version_at)
})

test('what a stranger hides in a post is kept as it came and does not harm the message', async t => {
  const hostile = await post(ana, '@brand.test harmless', { hidden: { 'x\0y': 'a\0b' } })
  await network.flush()
  const { events } = await poll(channel, null, contextFor(channel))
  const event = events.find(({ dedup_key }) => dedup_key.startsWith(hostile.uri))
  t.match(event?.payload, { notification: { record: { hidden: { 'x\0y': 'a\0b' } } } })
  const message = blueskyConnector.normalise(channel, event?.payload, new Date())
  t.match(message, { type: 'message', text: '@brand.test harmless' })
})

test('a page cursor the network cannot read starts over', async t => {
  const { cursor } = await pollAll()
  const at = new Date().toISOString()
  const head = { started_at: at, until: at, pages: 1, max_pages: 10, page_cursor: 'nonsense' }
  t.ok((await poll(channel, { ...cursor, head }, contextFor(channel))).events.length > 0)
})

test('a channel logs in once: later jobs use what was saved, and renew it when it expires', async t => {
  const fresh: ConnectedChannel = { ...channel, session: null }
  const calls: string[] = []
  const counted = contextFor(fresh, { fetch: countingFetch(calls) })
  const logins = () => calls.filter(nsid => nsid === 'com.atproto.server.createSession').length
  for (let job = 0; job < 3; job++) await poll(fresh, null, counted)
  t.equal(logins(), 1)

  fresh.session = { ...fresh.session, accessJwt: 'expired' }
  await poll(fresh, null, counted)
  t.equal(logins(), 1)
  t.ok(calls.includes('com.atproto.server.refreshSession'))
  t.not(fresh.session?.accessJwt, 'expired')

  fresh.session = { ...fresh.session, accessJwt: 'expired', refreshJwt: 'expired' }
  await poll(fresh, null, counted)
  t.equal(logins(), 2)
})

test('a revoked app password is an authentication error once the session ends', async t => {
  const revoked = await connectChannel(brand, network.pds_url, 'revoked')
  await poll(revoked, null, contextFor(revoked))
  await brand.com.atproto.server.revokeAppPassword({ name: 'revoked' })
  revoked.session = { ...revoked.session, accessJwt: 'expired' }
  await t.rejects(poll(revoked, null, contextFor(revoked)), { code: 'channel_auth_failed' })
})

test('too many logins are a reason to wait, not a wrong password', async t => {
  const credentials = { identifier: 'stranger.test', app_password: 'wrong' }
  const stranger: ConnectedChannel = { ...channel, credentials, session: null }
  const attempt = () => poll(stranger, null, contextFor(stranger)).catch((error: { code: string }) => error)
  const errors = await Promise.all(Array.from({ length: 31 }, attempt))
  const limited = errors.filter(error => 'code' in error && error.code === 'network_unavailable')
  t.match(limited, [{ status: 429, retry_at: Date }])
})

test('without the network reads fail and a send is not lost', async t => {
  const question = await receive(t, await post(ana, 'Outage, @brand.test'))
  const prepared = await prepare(replyTo(question, 'Later'))
  await network.stop()
  await t.rejects(poll(channel, null, contextFor(channel)), { code: 'network_unavailable' })
  t.match(await send(channel, prepared, contextFor(channel)), { outcome: 'unknown' })
  t.match(await send({ ...channel, session: null }, prepared, contextFor(channel)), { outcome: 'retry' })
  t.match(await findSent(channel, prepared, contextFor(channel)), { outcome: 'unknown' })
})
