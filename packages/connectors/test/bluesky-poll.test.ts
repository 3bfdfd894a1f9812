import { connectedChannel, connectorContext } from '@parley/testing'
import { test } from 'tap'
import { blueskyConnector } from '../src/bluesky/index.ts'
import type { ConnectorContext } from '../src/connector.ts'

const HOUR_MS = 3_600_000
const start = new Date('2026-11-22T12:00:00.000Z')
const service_url = 'https://pds.example'
const session = {
  did: 'did:plc:brand',
  handle: 'brand.example',
  accessJwt: 'access',
  refreshJwt: 'refresh',
  pds_url: service_url,
  service_url,
  identifier: 'brand.example',
}
const channel = connectedChannel({
  external_id: session.did,
  settings: { service_url },
  credentials: { identifier: 'brand.example', app_password: 'secret' },
  session,
})

type Item = Record<string, unknown>

/** An AppView whose list is `items`, newest first, in pages of `pageSize`. It keeps the parameters it was asked with. */
function appView(items: Item[], pageSize: number) {
  const asked: URLSearchParams[] = []
  const answer = (url: URL): Response => {
    // What is asked for beside the notifications has tests of its own.
    if (!url.pathname.endsWith('.listNotifications')) return Response.json({ error: 'NotFound' }, { status: 400 })
    asked.push(url.searchParams)
    const from = Number(url.searchParams.get('cursor') ?? 0)
    if (Number.isNaN(from)) return Response.json({ error: 'InternalServerError', message: 'Upstream' }, { status: 502 })
    const notifications = items.slice(from, from + pageSize)
    const cursor = from + pageSize < items.length ? { cursor: String(from + pageSize) } : {}
    return Response.json({ notifications, ...cursor })
  }
  return { asked, fetch: (async input => answer(new URL(String(input)))) as typeof fetch }
}

function contextAt(now: Date, fetch: ConnectorContext['fetch']): ConnectorContext {
  return connectorContext({ now: () => now, fetch })
}

/** Polls until there is no more, and tells what was found and how many pages it took. */
async function pollAll(view: ReturnType<typeof appView>, now: Date, from: Record<string, unknown> | null) {
  const keys: string[] = []
  const before = view.asked.length
  let cursor = from
  for (;;) {
    const page = await blueskyConnector.poll!(channel, cursor, contextAt(now, view.fetch))
    keys.push(...page.events.map(({ dedup_key }) => dedup_key))
    // As the database does.
    const next: Record<string, unknown> = JSON.parse(JSON.stringify(page.cursor))
    if (!page.more) return { keys, cursor: next, pages: view.asked.length - before }
    cursor = next
  }
}

function mentionAt(at: Date, name: string): Item {
  return {
    uri: `at://did:plc:ana/app.bsky.feed.post/${name}`,
    cid: name,
    indexedAt: at.toISOString(),
    reason: 'mention',
  }
}

function keyOf(name: string) {
  return `at://did:plc:ana/app.bsky.feed.post/${name}#${name}`
}

/** One mention an hour, the newest at `start`. */
function hourly(count: number) {
  return Array.from({ length: count }, (_, i) => mentionAt(new Date(start.getTime() - i * HOUR_MS), `m${i}`))
}

test('the first poll of a channel brings at most a week', async t => {
  const { keys, pages } = await pollAll(appView(hourly(1000), 10), start, null)
  t.equal(pages, 17)
  t.ok(keys.includes(keyOf('m168')))
  t.notOk(keys.includes(keyOf('m170')))
})

test('the first poll ends after fifty pages, however much there is', async t => {
  const crowd = Array.from({ length: 1000 }, (_, i) => mentionAt(start, `m${i}`))
  const { pages } = await pollAll(appView(crowd, 10), start, null)
  t.equal(pages, 50)
})

test('a later poll reads two pages, and on until an hour before the last one', async t => {
  const view = appView(hourly(1000), 10)
  const { cursor } = await pollAll(view, start, null)
  t.equal((await pollAll(view, start, cursor)).pages, 2)
  const muchLater = new Date(start.getTime() + 5 * HOUR_MS)
  const crowd = Array.from({ length: 60 }, (_, i) => mentionAt(muchLater, `n${i}`))
  const { keys, pages } = await pollAll(appView([...crowd, ...hourly(100)], 10), muchLater, cursor)
  t.equal(pages, 7)
  t.ok(crowd.every((_, i) => keys.includes(keyOf(`n${i}`))))
})

test('a post dated back within the hour is found although newer ones are known', async t => {
  const items = hourly(30)
  const { cursor } = await pollAll(appView(items, 10), start, null)
  const back = mentionAt(new Date(start.getTime() - HOUR_MS / 2), 'back')
  const later = new Date(start.getTime() + 60_000)
  t.ok((await pollAll(appView([items[0]!, back, ...items.slice(1)], 10), later, cursor)).keys.includes(keyOf('back')))
})

test('a post dated back by days is found by the deep sweep, page by page beside the polls', async t => {
  const items = hourly(100)
  let { cursor } = await pollAll(appView(items, 10), start, null)
  items.splice(72, 0, mentionAt(new Date(start.getTime() - 72 * HOUR_MS), 'back'))
  const view = appView(items, 10)
  const early = await pollAll(view, new Date(start.getTime() + HOUR_MS), cursor)
  t.notOk(early.keys.includes(keyOf('back')))
  const found: string[] = []
  for (let i = 0; i < 12; i++) {
    const poll = await pollAll(view, new Date(start.getTime() + 6 * HOUR_MS + i * 20_000), cursor)
    cursor = poll.cursor
    found.push(...poll.keys)
    t.ok(poll.pages <= 3)
  }
  t.ok(found.includes(keyOf('back')))
})

test('only a missing cursor ends the list: empty pages do not', async t => {
  const likes = Array.from({ length: 30 }, (_, i) => ({ ...mentionAt(start, `l${i}`), reason: 'like' }))
  const { keys, pages } = await pollAll(appView([...likes, mentionAt(start, 'last')], 10), start, null)
  t.equal(pages, 4)
  t.strictSame(keys, [keyOf('last')])
})

test('a page cursor the network no longer reads starts the sweep over', async t => {
  const view = appView(hourly(30), 10)
  const first = await blueskyConnector.poll!(channel, null, contextAt(start, view.fetch))
  const head = { ...(first.cursor.head as object), page_cursor: 'nonsense' }
  const second = await blueskyConnector.poll!(channel, { ...first.cursor, head }, contextAt(start, view.fetch))
  t.strictSame(second.events, first.events)
  t.strictSame(second.cursor, { ...first.cursor, head: { ...(first.cursor.head as object), restarts: 1 } })
})

test('the parameters leave nobody out', async t => {
  const view = appView([], 10)
  await pollAll(view, start, null)
  const [asked] = view.asked
  t.strictSame(asked?.getAll('reasons'), ['mention', 'reply', 'quote'])
  t.equal(asked?.get('priority'), 'false')
})

test('a new version of a post is a new event, the same version is not', async t => {
  const item = mentionAt(start, 'm')
  const { keys } = await pollAll(appView([item, { ...item, cid: 'edited' }, { ...item }], 10), start, null)
  t.strictSame(keys, [keyOf('m'), `${item.uri}#edited`])
})

test('an item nobody can read is an event of its own, always the same one', async t => {
  const view = appView([{ odd: true }, mentionAt(start, 'm')], 10)
  const { keys } = await pollAll(view, start, null)
  t.equal(keys.length, 2)
  t.match(keys[0], /^unreadable:[0-9a-f]{64}$/)
  t.strictSame((await pollAll(view, start, null)).keys, keys)
})

test('what Postgres cannot read is kept as it came: the ledger only stores it', async t => {
  const hostile = { ...mentionAt(start, 'm'), record: { text: 'a\0b \ud800 🌻', 'k\0': ['\udc00'] } }
  const page = await blueskyConnector.poll!(channel, null, contextAt(start, appView([hostile], 10).fetch))
  const { notification } = page.events[0]!.payload as { notification: { record: unknown } }
  t.strictSame(notification.record, hostile.record)
})

test('the place moves only when the list is read down to the last poll, however many pages that takes', async t => {
  const { cursor } = await pollAll(appView(hourly(10), 10), start, null)
  const later = new Date(start.getTime() + 10 * HOUR_MS)
  const flood = Array.from({ length: 1500 }, (_, i) => mentionAt(new Date(later.getTime() - i * 1000), `n${i}`))
  const view = appView([...flood, ...hourly(10)], 1)
  let state = cursor
  for (let pages = 0; pages < 1500; pages += 1) {
    const page = await blueskyConnector.poll!(channel, state, contextAt(later, view.fetch))
    if (!page.more) return t.fail(`it ended after ${pages} pages`)
    t.equal(page.cursor.last_polled_at, cursor.last_polled_at)
    state = page.cursor
  }
  const rest = await pollAll(view, later, state)
  t.equal(rest.cursor.last_polled_at, later.toISOString())
  t.ok(rest.keys.includes(keyOf('m1')))
})

/** Where in the list of notifications a channel is. */
const placeOf = ({ upkeep: _, ...place }: Record<string, unknown>) => place

/** An AppView whose pages follow `next`, whatever that leads to. */
function maze(pageOf: (cursor: string | null) => { items: Item[]; cursor: string }) {
  const answer = (url: URL) => {
    const { items, cursor } = pageOf(url.searchParams.get('cursor'))
    return Response.json({ notifications: items, cursor })
  }
  return { asked: [], fetch: (async input => answer(new URL(String(input)))) as typeof fetch }
}

test('a list that leads in a circle ends as a failure, and the place stays', async t => {
  const { cursor } = await pollAll(appView(hourly(10), 10), start, null)
  const circles = {
    'to itself': maze(() => ({ items: [mentionAt(start, 'a')], cursor: 'same' })),
    'of two': maze(at => ({ items: [mentionAt(start, 'a')], cursor: at === 'a' ? 'b' : 'a' })),
    'of ever new cursors': maze(at => ({ items: [mentionAt(start, 'a')], cursor: `${Number(at ?? 0) + 1}` })),
    'of empty pages': maze(at => ({ items: [], cursor: `${Number(at ?? 0) + 1}` })),
  }
  for (const [name, view] of Object.entries(circles)) {
    let state = cursor
    let pages = 0
    for (; pages < 1100; pages += 1) {
      const page = await blueskyConnector.poll!(channel, state, contextAt(start, view.fetch))
      state = page.cursor
      if (page.more) continue
      t.match(page.failed, { name: 'NetworkUnavailable', retry_at: null }, name)
      break
    }
    t.ok(pages <= 1001, `${name}: ${pages} pages`)
    t.same(placeOf(state), placeOf(cursor), 'the next poll starts at the top and reads down to the same place')
  }
})

test('an empty page that leads to itself ends the list', async t => {
  const view = maze(at => (at ? { items: [], cursor: at } : { items: [mentionAt(start, 'a')], cursor: 'end' }))
  const page = await blueskyConnector.poll!(channel, null, contextAt(start, view.fetch))
  const end = await blueskyConnector.poll!(channel, page.cursor, contextAt(start, view.fetch))
  t.same([end.more, end.failed], [false, undefined])
})

test('a network that takes its own cursors never starts over for ever', async t => {
  const { cursor } = await pollAll(appView(hourly(10), 10), start, null)
  const refusing = async (input: unknown) =>
    new URL(String(input)).searchParams.has('cursor')
      ? Response.json({ error: 'InternalServerError' }, { status: 502 })
      : Response.json({ notifications: [mentionAt(start, 'a')], cursor: 'next' })
  let state = cursor
  for (let pages = 0; ; pages += 1) {
    const page = await blueskyConnector.poll!(channel, state, contextAt(start, refusing as typeof fetch))
    t.equal(page.events.length, 1, 'what is new arrives all the same')
    state = page.cursor
    if (page.failed) return t.same(placeOf(state), placeOf(cursor))
    if (pages > 10) return t.fail('it goes on and on')
  }
})

test('a deep sweep that fails costs nothing of what is new', async t => {
  const { cursor } = await pollAll(appView(hourly(100), 10), start, null)
  const later = new Date(start.getTime() + 6 * HOUR_MS)
  const fresh = [mentionAt(later, 'new'), ...hourly(3)]
  const view = appView(fresh, 10)
  const failing = async (input: unknown) => {
    // The head is read with the first call, the second one begins the deep sweep.
    if (view.asked.length === 1) return Response.json({ error: 'RateLimitExceeded' }, { status: 429 })
    return view.fetch(input as string)
  }
  const page = await blueskyConnector.poll!(channel, cursor, contextAt(later, failing as typeof fetch))
  t.ok(page.events.some(({ dedup_key }) => dedup_key === keyOf('new')))
  t.match(page, { failed: { status: 429 }, cursor: { last_polled_at: later.toISOString(), deep: null } })
  t.same(page.cursor.last_deep_at, cursor.last_deep_at, 'it is still due')
})

test('an outage is an error that says when to come back', async t => {
  const seconds = Math.floor(start.getTime() / 1000)
  const answers: [number, Record<string, string>, number | null][] = [
    [429, { 'ratelimit-reset': String(seconds + 60) }, 61],
    [429, { 'ratelimit-reset': String(seconds + 60), 'retry-after': '5' }, 5],
    [429, { 'retry-after': 'Sun, 22 Nov 2026 12:05:00 GMT' }, 300],
    [503, { 'retry-after': '90' }, 90],
    [429, { 'retry-after': '1000000000' }, 86_400],
    [429, { 'retry-after': '1e9' }, null],
    [429, { 'retry-after': '-1' }, null],
    [429, { 'retry-after': 'soon', 'ratelimit-reset': String(seconds + 60) }, 61],
    [429, { 'ratelimit-reset': String(seconds - 60) }, null],
    [429, { 'ratelimit-reset': String(start.getTime() + 60_000) }, null],
    [429, { 'ratelimit-reset': 'NaN' }, null],
    [503, { 'ratelimit-reset': String(seconds + 60) }, null],
    [429, {}, null],
  ]
  for (const [status, headers, wait] of answers) {
    const refuse = async () => Response.json({ error: 'RateLimitExceeded' }, { status, headers })
    const poll = blueskyConnector.poll!(channel, null, contextAt(start, refuse as typeof fetch))
    const error = await poll.catch(reason => reason)
    t.match(error, { code: 'network_unavailable', status })
    const given = error.retry_at && (error.retry_at.getTime() - start.getTime()) / 1000
    t.equal(given, wait, `${status} ${JSON.stringify(headers)}`)
  }
  const html = async () => new Response('<html>', { status: 200 })
  await t.rejects(blueskyConnector.poll!(channel, null, contextAt(start, html as typeof fetch)), {
    name: 'XrpcFailure',
  })
})
