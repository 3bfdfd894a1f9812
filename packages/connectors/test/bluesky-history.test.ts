import { connectedChannel, connectorContext } from '@parley/testing'
import { test } from 'tap'
import { blueskyConnector } from '../src/bluesky/index.ts'
import type { ConnectorContext } from '../src/connector.ts'

const HOUR_MS = 3_600_000
const now = new Date('2026-11-22T12:00:00.000Z')
const service_url = 'https://pds.example'
const did = 'did:plc:brand'
const tokens = { did, handle: 'brand.example', accessJwt: 'access', refreshJwt: 'refresh' }
const channel = connectedChannel({
  external_id: did,
  settings: { service_url },
  credentials: { identifier: 'brand.example', app_password: 'secret' },
  session: { ...tokens, pds_url: service_url, service_url, identifier: 'brand.example' },
})

type Item = Record<string, unknown>
type Answer = (cursor: string | null) => Response

const contextOf = (answer: Answer): ConnectorContext =>
  connectorContext({
    now: () => now,
    fetch: (async input => answer(new URL(String(input)).searchParams.get('cursor'))) as typeof fetch,
  })

const hoursAgo = (hours: number) => new Date(now.getTime() - hours * HOUR_MS)
const uriOf = (name: string) => `at://did:plc:ana/app.bsky.feed.post/${name}`
const itemAt = (hours: number, reason = 'mention'): Item => ({
  uri: uriOf(`m${hours}`),
  cid: 'c',
  indexedAt: hoursAgo(hours).toISOString(),
  reason,
})
const hourly = (count: number) => Array.from({ length: count }, (_, hours) => itemAt(hours))

/** The list `items` in pages of ten. */
const listOf =
  (items: Item[]): Answer =>
  cursor => {
    const from = Number(cursor ?? 0)
    const rest = from + 10 < items.length ? { cursor: String(from + 10) } : {}
    return Response.json({ notifications: items.slice(from, from + 10), ...rest })
  }

/** Reads page by page until there is no further one. */
async function readAll(answer: Answer, since: Date) {
  const keys: string[] = []
  const oldest: (Date | null)[] = []
  let cursor: Record<string, unknown> | null = null
  do {
    const page = await blueskyConnector.readHistory!(channel, since, cursor, contextOf(answer))
    keys.push(...page.events.map(({ dedup_key }) => dedup_key))
    oldest.push(page.oldest_at)
    // As the database does.
    cursor = page.cursor && JSON.parse(JSON.stringify(page.cursor))
  } while (cursor && oldest.length < 100)
  return { keys, oldest }
}

test('history is read back to the time that was asked for, and no further', async t => {
  const { keys, oldest } = await readAll(listOf(hourly(1000)), hoursAgo(35))
  t.same(
    keys,
    hourly(36).map(({ uri }) => `${uri}#c`),
  )
  t.same(oldest, [hoursAgo(9), hoursAgo(19), hoursAgo(29), hoursAgo(39)])
})

test('it ends where the list ends', async t => {
  const { keys, oldest } = await readAll(listOf(hourly(25)), hoursAgo(10_000))
  t.equal(keys.length, 25)
  t.equal(oldest.length, 3)
})

test('a page with nothing for the inbox does not end it', async t => {
  const likes = Array.from({ length: 30 }, (_, i) => itemAt(i, 'like'))
  t.same((await readAll(listOf([...likes, itemAt(31)]), hoursAgo(100))).keys, [`${uriOf('m31')}#c`])
  const gaps: Answer = cursor =>
    cursor === '3'
      ? Response.json({ notifications: [itemAt(5)] })
      : Response.json({ notifications: [], cursor: String(Number(cursor ?? 0) + 1) })
  t.same((await readAll(gaps, hoursAgo(100))).keys, [`${uriOf('m5')}#c`])
})

test('an item that nobody can date is kept', async t => {
  const { keys } = await readAll(listOf([itemAt(1), { odd: true }]), hoursAgo(10))
  t.match(keys, [`${uriOf('m1')}#c`, /^unreadable:/])
})

test('a cursor that the network takes no more leads back to the top', async t => {
  const list = listOf(hourly(30))
  const answer: Answer = cursor =>
    cursor === 'gone' ? Response.json({ error: 'InternalServerError' }, { status: 502 }) : list(cursor)
  const page = await blueskyConnector.readHistory!(channel, hoursAgo(100), { page_cursor: 'gone' }, contextOf(answer))
  t.equal(page.events.length, 10)
  t.same(page.cursor, { page_cursor: '10' })
})

test('a page that leads to itself is a failure when something is on it, and the end when nothing is', async t => {
  const repeat =
    (notifications: Item[]): Answer =>
    () =>
      Response.json({ notifications, cursor: 'same' })
  const read = (answer: Answer) =>
    blueskyConnector.readHistory!(channel, hoursAgo(100), { page_cursor: 'same' }, contextOf(answer))
  await t.rejects(read(repeat([itemAt(1)])), { name: 'NetworkUnavailable' })
  t.equal((await read(repeat([]))).cursor, null)
})
