import { test } from 'tap'
import { blueskyConnector } from '../src/bluesky/index.ts'
import { type Answers, answers, channel, did, networkOf, refuses } from './bluesky-network.ts'

const start = new Date('2026-11-22T12:00:00.000Z')
const MINUTE_MS = 60_000
const uriOf = (name: string, author = 'did:plc:ana') => `at://${author}/app.bsky.feed.post/${name}`
const news = uriOf('3lnews', did)

function mention(name: string) {
  const record = { $type: 'app.bsky.feed.post', text: 'Hi', createdAt: start.toISOString() }
  const author = { did: 'did:plc:ana', handle: 'ana.example' }
  return { uri: uriOf(name), cid: 'bafy', author, record, reason: 'mention', indexedAt: start.toISOString() }
}

/** A channel polled once a minute over a network that can be changed meanwhile. */
function polled(given: Answers, notifications: object[] = []) {
  const quiet = { getAuthorFeed: answers({ feed: [] }), listNotifications: answers({ notifications }) }
  const network = networkOf({ ...quiet, ...given }, start)
  let cursor: Record<string, unknown> | null = null
  const poll = async () => {
    const page = await blueskyConnector.poll!(channel, cursor, network.context)
    // As the database does.
    cursor = JSON.parse(JSON.stringify(page.cursor))
    network.clock.now = new Date(network.clock.now.getTime() + MINUTE_MS)
    return page
  }
  const minutes = async (count: number) => {
    const events = []
    for (let minute = 0; minute < count; minute += 1) events.push(...(await poll()).events)
    return events
  }
  const deletions = async (count: number) =>
    (await minutes(count)).flatMap(({ payload }) => {
      const event = blueskyConnector.normalise(channel, payload, network.clock.now)
      return event.type === 'deletion' ? [event] : []
    })
  return { network, poll, minutes, deletions, cursorSize: () => JSON.stringify(cursor).length }
}

const postsWithout =
  (...missing: string[]): Answers[string] =>
  ({ query }) => {
    const shown = query.getAll('uris').filter(uri => !missing.includes(uri))
    return Response.json({ posts: shown.map(uri => ({ uri })) })
  }
const noRecord = refuses(400, 'RecordNotFound')

test('a post is deleted when it is twice not shown, some minutes apart, and has no record any more', async t => {
  const notifications = [mention('gone'), mention('here')]
  const { deletions, network } = polled({ getPosts: postsWithout(uriOf('gone')), getRecord: noRecord }, notifications)
  t.strictSame(await deletions(8), [], 'once is not enough')
  notifications.shift()
  const found = await deletions(10)
  t.strictSame(
    found.map(({ external_id }) => external_id),
    [uriOf('gone')],
  )
  t.strictSame(await deletions(20), [], 'it is told once')
  t.equal(network.called().filter(nsid => nsid === 'getRecord').length, 1)
})

test('what is hidden, blocked or not to be told is not deleted', async t => {
  const notifications = [mention('a')]
  const hidden: Answers[] = [
    { getPosts: postsWithout(uriOf('a')), getRecord: answers({ uri: uriOf('a'), cid: 'c', value: {} }) },
    { getPosts: postsWithout(uriOf('a')), getRecord: refuses(400, 'AccountDeactivated') },
    { getPosts: postsWithout(uriOf('a')), getRecord: refuses(500, 'InternalServerError') },
    { getPosts: refuses(502, 'UpstreamFailure'), getRecord: noRecord },
    { getPosts: () => new Response('<html>'), getRecord: noRecord },
  ]
  for (const given of hidden) t.strictSame(await polled(given, notifications).deletions(40), [])
})

test('a post that is shown again was never gone', async t => {
  let looks = 0
  const flicker: Answers[string] = call => {
    looks += 1
    return looks % 2 === 1 ? postsWithout(uriOf('a'))(call) : postsWithout()(call)
  }
  t.strictSame(await polled({ getPosts: flicker, getRecord: noRecord }, [mention('a')]).deletions(40), [])
  t.ok(looks > 10)
})

test('the newest two hundred posts are looked after, in turns, and the cursor stays small', async t => {
  const crowd = Array.from({ length: 300 }, (_, at) => mention(`p${String(at).padStart(3, '0')}`))
  const { network, minutes, cursorSize } = polled({ getPosts: postsWithout() }, crowd)
  await minutes(12)
  const looks = network.calls.filter(({ nsid }) => nsid === 'getPosts').map(({ query }) => query.getAll('uris'))
  t.ok(looks.every(uris => uris.length === 25))
  t.equal(new Set(looks.slice(0, 8).flat()).size, 200)
  t.ok(cursorSize() < 25_000, `${cursorSize()} bytes`)
})

const post = (uri: string, extra: object = {}) => ({
  uri,
  cid: 'bafy',
  author: { did: uri.split('/')[2]!, handle: 'x.example' },
  record: { $type: 'app.bsky.feed.post', text: 'Deep', createdAt: start.toISOString() },
  indexedAt: start.toISOString(),
  ...extra,
})
const feed = answers({
  feed: [
    { post: post(news) },
    { post: post(uriOf('3lrepost')) },
    { post: { ...post(uriOf('3lold', did)), indexedAt: '2026-11-01T00:00:00Z' } },
    { post: { ...post(uriOf('3lreply', did)), record: { reply: {} } } },
  ],
})

test('every reply in a thread of ours is found, however deep, and our own answers to others', async t => {
  const own = (name: string, replies: object[]) => ({ post: post(uriOf(name, did)), replies })
  const chain = (depth: number): object => ({
    post: post(uriOf(`d${depth}`)),
    replies: depth < 60 ? [chain(depth + 1)] : [own('answer', [own('more', []), { post: post(uriOf('after')) }])],
  })
  const replies = [chain(0), own('part2', []), { uri: uriOf('x'), notFound: true }, { blocked: true }, 'odd']
  const { network, minutes } = polled({
    getAuthorFeed: feed,
    getPostThread: answers({ thread: { post: post(news), replies } }),
  })
  const found = (await minutes(4)).map(({ dedup_key }) => dedup_key)
  const expected = [...Array.from({ length: 61 }, (_, at) => uriOf(`d${at}`)), uriOf('answer', did), uriOf('after')]
  t.strictSame(found.toSorted(), expected.map(uri => `${uri}#bafy`).toSorted())
  const asked = network.calls.find(({ nsid }) => nsid === 'getPostThread')
  t.equal(asked?.query.get('uri'), news)
})

test('a reply found in a thread is the message its notification would have been', async t => {
  const uri = uriOf('3lquiet')
  const root = { uri: news, cid: 'bafynews' }
  const record = { ...post(uri).record, reply: { root, parent: { uri: uriOf('3lother'), cid: 'c' } } }
  const view = { $type: 'app.bsky.embed.images#view', images: [{ fullsize: 'https://cdn.example/1', alt: 'x' }] }
  const replies = [{ post: { ...post(uri), record, embed: view } }]
  const { minutes, network } = polled({
    getAuthorFeed: feed,
    getPostThread: answers({ thread: { post: post(news), replies } }),
  })
  const [event] = await minutes(3)
  t.match(event, { dedup_key: `${uri}#bafy`, thread_key: news })
  t.match(blueskyConnector.normalise(channel, event!.payload, network.clock.now), {
    type: 'message',
    kind: 'comment',
    thread_key: news,
    parent_external_id: uriOf('3lother'),
    reply_context: { uri, root },
    attachments: [{ url: 'https://cdn.example/1' }],
  })
})

test('beside its polls a channel asks for one thing a minute', async t => {
  const { network, poll } = polled(
    { getAuthorFeed: feed, getPostThread: answers({ thread: { post: post(news) } }), getPosts: postsWithout() },
    [mention('a')],
  )
  for (let polls = 0; polls < 240; polls += 1) {
    await poll()
    // Every 15 s, as a channel is polled.
    network.clock.now = new Date(network.clock.now.getTime() - MINUTE_MS + 15_000)
  }
  const beside = network.called().filter(nsid => nsid !== 'listNotifications')
  t.ok(beside.length >= 58 && beside.length <= 60, `${beside.length} in an hour`)
  const count = (name: string) => beside.filter(nsid => nsid === name).length
  t.equal(count('getAuthorFeed'), 2)
  t.ok(count('getPostThread') >= 3 && count('getPosts') > 20)
})

test('what fails beside the polls costs nothing of what is new, and only a limit makes the channel wait', async t => {
  for (const [status, waits] of [
    [429, true],
    [500, false],
    [501, false],
  ] as const) {
    const { poll } = polled({ getAuthorFeed: refuses(status, 'Broken') }, [mention('a')])
    await poll()
    const page = await poll()
    t.equal(page.events.length, 1)
    t.equal(page.failed !== undefined, waits, `${status}`)
  }
  const unreachable = polled({ getAuthorFeed: feed, getPostThread: refuses(400, 'NotFound') })
  await unreachable.minutes(20)
  t.equal(unreachable.network.called().filter(nsid => nsid === 'getPostThread').length, 1, 'a deleted thread is left')
})

test('a cursor from before there was any upkeep, or with another, goes on', async t => {
  const { network } = polled({}, [mention('a')])
  const at = start.toISOString()
  for (const upkeep of [undefined, { next_at: 'soon' }]) {
    const cursor = { last_polled_at: at, head: null, last_deep_at: at, deep: null, upkeep }
    const page = await blueskyConnector.poll!(channel, cursor, network.context)
    t.match(page.cursor, { last_polled_at: at, upkeep: { watched: [{ post: 'did:plc:ana/a', missing_at: null }] } })
  }
})
