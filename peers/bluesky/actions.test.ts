import type { AtpAgent } from '@atproto/api'
import { connectorMessage } from '@parley/contracts'
import { newId } from '@parley/db'
import t, { test } from 'tap'
import { blueskyConnector } from '../../packages/connectors/src/bluesky/index.ts'
import type { ConnectorContext, OutgoingAttachment, OutgoingReply } from '../../packages/connectors/src/connector.ts'
import { answerTo, connectChannel, contextFor, createPerson, type PostRef, post } from './people.ts'
import { startNetwork } from './start-network.ts'

const { PEER_POSTGRES_URL, PEER_REDIS_HOST } = process.env
if (!PEER_POSTGRES_URL || !PEER_REDIS_HOST) throw new Error('Set PEER_POSTGRES_URL and PEER_REDIS_HOST')

const MINUTE_MS = 60_000
const { poll, prepare, send, act, check, normalise } = blueskyConnector as Required<typeof blueskyConnector>

const network = await startNetwork({ postgresUrl: PEER_POSTGRES_URL, redisHost: PEER_REDIS_HOST })
t.teardown(network.stop)
t.setTimeout(300_000)
const brand = await createPerson(network.pds_url, 'brand.test')
const ana = await createPerson(network.pds_url, 'anna.test')
const carl = await createPerson(network.pds_url, 'carl.test')
const channel = await connectChannel(brand, network.pds_url, 'inbox')
channel.external_id = brand.assertDid

/** A picture of one pixel. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

/** Polls once a minute, for so many minutes of the channel's life; the next call goes on from there. */
let cursor: Record<string, unknown> | null = null
let minute = 0
async function pollFor(minutes: number) {
  const events = new Map<string, unknown>()
  for (const end = minute + minutes; minute < end; minute += 1) {
    const now = () => new Date(Date.now() + minute * MINUTE_MS)
    for (let more = true; more; ) {
      const page = await poll(channel, cursor, contextFor(channel, { now }))
      for (const { dedup_key, payload } of page.events) events.set(dedup_key, payload)
      cursor = JSON.parse(JSON.stringify(page.cursor))
      more = page.more
    }
  }
  return [...events.values()].map(payload => normalise(channel, payload, new Date()))
}

async function messagesAfter(minutes: number) {
  await network.flush()
  return (await pollFor(minutes)).flatMap(event => (event.type === 'message' ? [connectorMessage.parse(event)] : []))
}

async function receive(ref: PostRef) {
  const found = (await messagesAfter(1)).find(({ external_id }) => external_id === ref.uri)
  if (!found) throw new Error(`${ref.uri} was not received`)
  return found
}

function replyTo(message: Awaited<ReturnType<typeof receive>>, fields: Partial<OutgoingReply> = {}): OutgoingReply {
  const { external_id, thread_key, reply_context } = message
  const in_reply_to = { external_id, reply_context, visibility: 'public' as const, from_us: false }
  const message_id = newId(new Date())
  const common = { visibility: 'public' as const, thread_key, queued_at: new Date(), attachments: [] }
  return { message_id, text: 'Hello', in_reply_to, ...common, ...fields }
}

async function answer(reply: OutgoingReply, more: Partial<ConnectorContext> = {}) {
  const context = contextFor(channel, more)
  const outcome = await send(channel, await prepare(channel, reply, context), context)
  if (outcome.outcome !== 'sent') throw new Error(JSON.stringify(outcome))
  return outcome
}

function does(verb: 'like' | 'unlike' | 'delete', uri: string, action_id = newId(new Date())) {
  const target = { external_id: uri, reply_context: null, visibility: 'public' as const, from_us: verb === 'delete' }
  return act(channel, { action_id, verb, target, text: null }, contextFor(channel))
}

async function likersSeenBy(person: AtpAgent, uri: string) {
  await network.flush()
  const { data } = await person.getLikes({ uri })
  return data.likes.map(({ actor }) => actor.did)
}

type Seen = { post: { uri: string; record: { text: string }; embed?: unknown }; replies?: Seen[] }
async function threadSeenBy(person: AtpAgent, uri: string): Promise<Seen> {
  await network.flush()
  const { data } = await person.getPostThread({ uri, depth: 100 })
  return data.thread as unknown as Seen
}

test('a like is seen by the customer, once however often it is done, and taken back', async t => {
  const praise = await post(ana, 'I love it, @brand.test')
  await receive(praise)
  const action_id = newId(new Date())
  for (let time = 0; time < 3; time += 1) t.match(await does('like', praise.uri, action_id), { outcome: 'sent' })
  t.same(await likersSeenBy(ana, praise.uri), [brand.assertDid])
  const { data } = await ana.listNotifications()
  t.equal(data.notifications.filter(({ reason }) => reason === 'like').length, 1)
  t.match(await does('like', praise.uri), { outcome: 'sent' }, 'another like of the same post')
  t.same(await likersSeenBy(ana, praise.uri), [brand.assertDid])
  for (let time = 0; time < 2; time += 1) t.match(await does('unlike', praise.uri), { outcome: 'sent' })
  t.same(await likersSeenBy(ana, praise.uri), [])
})

test('a like is taken back before anybody saw it, and one from the phone like one of ours', async t => {
  const praise = await post(ana, 'Quick, @brand.test')
  await receive(praise)
  await does('like', praise.uri)
  t.match(await does('unlike', praise.uri), { outcome: 'sent' })
  t.same(await likersSeenBy(ana, praise.uri), [])
  await brand.like(praise.uri, praise.cid)
  t.same(await likersSeenBy(ana, praise.uri), [brand.assertDid])
  await does('unlike', praise.uri)
  t.same(await likersSeenBy(ana, praise.uri), [])
})

test('a post of our own is deleted for everybody, and nobody else’s', async t => {
  const question = await receive(await post(ana, 'What is this, @brand.test?'))
  const sent = await answer(replyTo(question))
  t.equal((await threadSeenBy(ana, question.external_id)).replies?.length, 1)
  for (let time = 0; time < 2; time += 1) t.match(await does('delete', sent.external_id), { outcome: 'sent' })
  t.same((await threadSeenBy(ana, question.external_id)).replies ?? [], [])
  t.match(await does('delete', question.external_id), { outcome: 'rejected' })
})

const picture: OutgoingAttachment = {
  id: '1',
  media_type: 'image/png',
  filename: 'dot.png',
  alt_text: 'A dot',
  byte_size: PNG.length,
  read: async () => PNG,
}

test('pictures of a reply are seen by the customer with what they show in words', async t => {
  const question = await receive(await post(ana, 'How does it look, @brand.test?'))
  const attachments = [picture, { ...picture, alt_text: null }]
  await answer(replyTo(question, { text: 'Like this', attachments }))
  const { replies } = await threadSeenBy(ana, question.external_id)
  t.match(replies?.[0]?.post.embed, {
    $type: 'app.bsky.embed.images#view',
    images: [{ alt: 'A dot' }, { alt: '' }],
  })
})

test('a picture the server has thrown away is uploaded again', async t => {
  const question = await receive(await post(ana, 'And now, @brand.test?'))
  const reply = replyTo(question, { attachments: [picture] })
  const prepared = await prepare(channel, reply, contextFor(channel))
  const record = prepared.record as { createdAt: string; embed: { images: { image: { ref: object } }[] } }
  const lost = structuredClone(record)
  lost.embed.images[0]!.image.ref = { $link: 'bafkreibme22gw2h7y2h7tg2fhqotaqjucnbc24deqo72b6mkl2egezxhvy' }
  const refused = await send(channel, { ...prepared, record: lost }, contextFor(channel))
  t.match(refused, { outcome: 'rejected', reason: /BlobNotFound/ })
  lost.createdAt = new Date(Date.now() - 60 * MINUTE_MS).toISOString()
  t.match(await send(channel, { ...prepared, record: lost }, contextFor(channel)), { outcome: 'retry' })
  await answer(reply)
  t.equal((await threadSeenBy(ana, question.external_id)).replies?.length, 1)
})

test('pictures and link cards of a customer come with the message', async t => {
  const { data } = await ana.uploadBlob(PNG, { encoding: 'image/png' })
  const images = [{ image: data.blob, alt: 'My broken kettle' }]
  const shown = await post(ana, 'Broken, @brand.test', { embed: { $type: 'app.bsky.embed.images', images } })
  const card = { uri: 'https://shop.example.com/kettle', title: 'Kettle', description: 'Boils' }
  const linked = await post(ana, 'This one, @brand.test', {
    embed: { $type: 'app.bsky.embed.external', external: card },
  })
  const found = await messagesAfter(1)
  const attachmentsOf = ({ uri }: PostRef) => found.find(({ external_id }) => external_id === uri)?.attachments
  t.match(attachmentsOf(shown), [
    { url: /^https?:/, media_type: 'image/png', byte_size: PNG.length, alt_text: 'My broken kettle' },
  ])
  t.match(attachmentsOf(linked), [{ url: card.uri, filename: 'Kettle', alt_text: 'Boils', media_type: 'text/html' }])
})

test('a customer who changes handle and name stays the same customer', async t => {
  const before = await receive(await post(carl, 'Hello @brand.test'))
  t.match(before.author, { external_id: carl.assertDid, handle: 'carl.test', display_name: null })
  await carl.upsertProfile(() => ({ displayName: 'Carl the Great' }))
  await carl.updateHandle({ handle: 'charles.test' })
  const after = await receive(await post(carl, 'It is me again, @brand.test'))
  t.match(after.author, { external_id: carl.assertDid, handle: 'charles.test', display_name: 'Carl the Great' })
})

test('a reply prepared again after its database was restored is the post that is there', async t => {
  const question = await receive(await post(ana, 'Once, @brand.test?'))
  const reply = replyTo(question, { text: 'Only once' })
  const first = await answer(reply)
  await network.flush()
  const later = await answer(reply, { now: () => new Date(Date.now() + MINUTE_MS) })
  t.equal(later.external_id, first.external_id)
  t.same(later.reply_context, first.reply_context)
  t.equal((await threadSeenBy(ana, question.external_id)).replies?.length, 1)
})

test('the parts of a long reply answer each other, at once', async t => {
  const question = await receive(await post(ana, 'Tell me more, @brand.test'))
  const first = await answer(replyTo(question, { text: 'Part 1' }))
  const { external_id, reply_context = null } = first
  const in_reply_to = { external_id, reply_context, visibility: 'public' as const, from_us: true }
  await answer(replyTo(question, { text: 'Part 2', in_reply_to }))
  const thread = await threadSeenBy(ana, question.external_id)
  t.match(thread, {
    replies: [{ post: { record: { text: 'Part 1' } }, replies: [{ post: { record: { text: 'Part 2' } } }] }],
  })
})

test('replies too deep to be notified of are found all the same', async t => {
  const news = await post(brand, 'We deliver on Sundays')
  await network.flush()
  let parent = news
  const chain: string[] = []
  for (let depth = 1; depth <= 8; depth += 1) {
    parent = await post(depth % 2 ? ana : carl, `Level ${depth}`, answerTo(news, parent))
    chain.push(parent.uri)
    await network.flush()
  }
  const seen = async (minutes: number) => (await messagesAfter(minutes)).map(({ external_id }) => external_id)
  const notified = await seen(1)
  t.ok(
    chain.some(uri => !notified.includes(uri)),
    'some are not notified',
  )
  const found = await seen(35)
  t.same(
    chain.filter(uri => !found.includes(uri)),
    [],
  )
})

test('a post that was deleted is told to be, one that is only hidden from us is not', async t => {
  const deleted = await post(ana, 'Never mind, @brand.test')
  const hidden = await post(carl, 'Go away, @brand.test')
  await messagesAfter(1)
  await ana.deletePost(deleted.uri)
  const createdAt = new Date().toISOString()
  await carl.app.bsky.graph.block.create({ repo: carl.assertDid }, { subject: brand.assertDid, createdAt })
  await network.flush()
  const shown = await brand.app.bsky.feed.getPosts({ uris: [deleted.uri, hidden.uri] })
  t.same(shown.data.posts, [], 'the AppView shows neither')
  const events = await pollFor(45)
  const deletions = events.filter(({ type }) => type === 'deletion')
  t.match(deletions, [{ external_id: deleted.uri }])
  t.equal(deletions.length, 1)
})

test('a channel that works passes every check, and one without its password the first alone', async t => {
  const checks = await check({ ...channel, session: null }, contextFor(channel))
  t.same(
    checks.filter(({ ok }) => !ok),
    [],
  )
  t.equal(checks.length, 5)
  const before = await brand.app.bsky.feed.post.list({ repo: brand.assertDid })
  t.notOk(before.records.some(({ uri }) => uri.endsWith('2222222222222')))
  const credentials = { ...channel.credentials, app_password: 'wrong' }
  const wrong = await check({ ...channel, credentials, session: null }, contextFor(channel))
  t.match(wrong, [
    { name: 'server', ok: true },
    { name: 'login', ok: false },
  ])
})
