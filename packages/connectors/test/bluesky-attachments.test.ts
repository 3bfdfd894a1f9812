import { connectorMessage } from '@parley/contracts'
import { test } from 'tap'
import { blueskyConnector } from '../src/bluesky/index.ts'
import { answers, channel, did, networkOf, refuses } from './bluesky-network.ts'

const now = new Date('2026-11-22T12:00:00.000Z')
const uriOf = (name: string) => `at://did:plc:ana/app.bsky.feed.post/${name}`

function listed(name: string, embed?: object) {
  const record = {
    $type: 'app.bsky.feed.post',
    text: 'Look',
    createdAt: now.toISOString(),
    ...(embed ? { embed } : {}),
  }
  const author = { did: 'did:plc:ana', handle: 'ana.example' }
  return { uri: uriOf(name), cid: 'bafy', author, record, reason: 'mention', indexedAt: now.toISOString() }
}

const pictures = {
  $type: 'app.bsky.embed.images',
  images: [
    { image: { $type: 'blob', ref: { $link: 'bafk1' }, mimeType: 'image/jpeg', size: 1234 }, alt: 'A kettle' },
    { image: { $type: 'blob', ref: { $link: 'bafk1' }, mimeType: 'image/jpeg', size: 1234 }, alt: '' },
  ],
}
const picturesView = {
  $type: 'app.bsky.embed.images#view',
  images: [
    { thumb: 'https://cdn.example/t', fullsize: 'https://cdn.example/1', alt: 'A kettle\0' },
    { thumb: 'https://cdn.example/t', fullsize: 'https://cdn.example/2', alt: '' },
  ],
}

/** The messages of one poll of these notifications, with the views that the AppView has of them. */
async function poll(notifications: object[], views: Record<string, unknown> = {}) {
  const network = networkOf({
    listNotifications: answers({ notifications }),
    getPosts: ({ query }) => {
      const found = query.getAll('uris').filter(uri => uri in views)
      return Response.json({ posts: found.map(uri => ({ uri, embed: views[uri] })) })
    },
  })
  const { events } = await blueskyConnector.poll!(channel, null, network.context)
  // As the ledger keeps it.
  const payloads = events.map(({ payload }) => JSON.parse(JSON.stringify(payload)))
  return {
    network,
    messages: payloads.map(payload => connectorMessage.parse(blueskyConnector.normalise(channel, payload, now))),
  }
}

test('pictures of a post are its attachments, with what their author said of them', async t => {
  const { messages } = await poll([listed('a', pictures)], { [uriOf('a')]: picturesView })
  const common = { blob_key: null, media_type: 'image/jpeg', filename: null, byte_size: 1234, inline: false }
  t.strictSame(messages[0]?.attachments, [
    { ...common, external_id: 'image:0:bafk1', url: 'https://cdn.example/1', alt_text: 'A kettle' },
    { ...common, external_id: 'image:1:bafk1', url: 'https://cdn.example/2', alt_text: null },
  ])
})

test('beside a quote, pictures are attachments too', async t => {
  const quoted = { uri: `at://${did}/app.bsky.feed.post/3l`, cid: 'bafy' }
  const embed = { $type: 'app.bsky.embed.recordWithMedia', record: { record: quoted }, media: pictures }
  const view = { $type: 'app.bsky.embed.recordWithMedia#view', record: {}, media: picturesView }
  const { messages } = await poll([listed('a', embed)], { [uriOf('a')]: view })
  t.match(messages[0], { kind: 'quote', attachments: [{ external_id: 'image:0:bafk1' }, {}] })
})

test('a video is a link to its playlist, a link card one to its page', async t => {
  const video = {
    $type: 'app.bsky.embed.video#view',
    cid: 'bafv',
    playlist: 'https://video.example/p.m3u8',
    alt: 'Steam',
  }
  const external = { uri: 'https://shop.example/kettle', title: 'Kettles', description: 'All of them' }
  const { messages } = await poll(
    [listed('v', { $type: 'app.bsky.embed.video' }), listed('c', { $type: 'app.bsky.embed.external' })],
    { [uriOf('v')]: video, [uriOf('c')]: { $type: 'app.bsky.embed.external#view', external } },
  )
  t.match(messages[0]?.attachments, [
    { external_id: 'video:bafv', url: video.playlist, alt_text: 'Steam', linked: true },
  ])
  t.match(messages[1]?.attachments, [
    { external_id: 'card', url: external.uri, filename: 'Kettles', media_type: 'text/html', linked: true },
  ])
})

test('only posts that show something are asked for, each once and 25 at a time', async t => {
  const quote = { $type: 'app.bsky.embed.record', record: { uri: `at://${did}/app.bsky.feed.post/3l`, cid: 'c' } }
  const plain = [listed('a'), listed('b', quote)]
  const { network } = await poll([...plain, ...Array.from({ length: 30 }, (_, at) => listed(`p${at}`, pictures))])
  const asked = network.calls.filter(({ nsid }) => nsid === 'getPosts').map(({ query }) => query.getAll('uris').length)
  t.strictSame(asked, [25, 5])
  t.strictSame((await poll(plain)).network.called(), ['listNotifications'])
})

test('a post whose view makes no sense, or that is gone by now, is a message without attachments', async t => {
  const views = [undefined, null, 'x', {}, { $type: 'app.bsky.embed.images#view', images: [{}, 1] }, { $type: 'new' }]
  const posts = views.map((_, at) => listed(`p${at}`, pictures))
  const { messages } = await poll(posts, Object.fromEntries(views.map((view, at) => [uriOf(`p${at}`), view])))
  t.strictSame(
    messages.map(({ attachments }) => attachments),
    views.map(() => undefined),
  )
})

test('while pictures cannot be asked for, the page is read again: later nobody would', async t => {
  const listNotifications = answers({ notifications: [listed('a', pictures)] })
  for (const getPosts of [refuses(502, 'UpstreamFailure'), refuses(429, 'RateLimitExceeded')]) {
    const { context } = networkOf({ listNotifications, getPosts })
    await t.rejects(blueskyConnector.poll!(channel, null, context), { code: 'network_unavailable' })
  }
  const { context } = networkOf({ listNotifications, getPosts: refuses(400, 'InvalidRequest') })
  t.equal((await blueskyConnector.poll!(channel, null, context)).events.length, 1, 'a refusal keeps no message back')
})
