import { test } from 'tap'
import { ChannelAuthError } from '../src/errors.ts'
import { mastodonConnector } from '../src/mastodon/index.ts'
import { contextAt, openBrand, pollAll, read } from './mastodon.ts'

const numbersOf = (texts: unknown[]) => texts.map(text => /\d+$/.exec(String(text))?.[0]).join(' ')
const upTo = (count: number) => Array.from({ length: count }, (_, index) => String(index + 1)).join(' ')

test('every mention comes once, oldest first, whatever the ids look like and whether the server pages', async t => {
  for (const traits of [
    { ids: 'snowflake' },
    { ids: 'ulid' },
    { ids: 'flake', sparse: true },
    { ids: 'uuid', ignores_paging: true },
    { ids: 'snowflake', ignores_paging: true },
  ] as const) {
    const { network, channel } = await openBrand(t, traits)
    const name = JSON.stringify(traits)
    const mention = (number: number) => network.post('ana@remote.example', { text: `@brand ${number}` })
    await mention(1)
    let { events, cursor } = await pollAll(channel, null)
    t.same([...new Set(events.map(event => event.dedup_key))].length, 1, name)
    // More than a page, between two polls.
    for (let number = 2; number <= 100; number += 1) await mention(number)
    const all = [...events]
    for (let polls = 0; polls < 3; polls += 1) {
      ;({ events, cursor } = await pollAll(channel, cursor))
      all.push(...events)
    }
    const unique = [...new Map(all.map(event => [event.dedup_key, event])).values()]
    const texts = read(channel, unique).map(event => event.type === 'message' && event.text)
    const sorted = texts.toSorted((a, b) => Number(numbersOf([a])) - Number(numbersOf([b])))
    t.equal(numbersOf(sorted), upTo(100), name)
    if (!('ignores_paging' in traits)) {
      t.equal(numbersOf(texts), upTo(100), `${name}: in their order`)
      t.equal(all.length, unique.length, `${name}: each once`)
    }
    t.equal((await pollAll(channel, cursor)).pages, 1, `${name}: a quiet poll is one call`)
  }
})

test('a private message from a stranger is read although the server filters it', async t => {
  const { network, channel } = await openBrand(t)
  await network.post('ana@remote.example', { text: '@brand my order number', visibility: 'direct' })
  const { events } = await pollAll(channel, null)
  t.match(read(channel, events), [{ kind: 'direct', visibility: 'private' }])
})

test('all answers in a thread share the thread of its root', async t => {
  const { network, channel } = await openBrand(t)
  const root = await network.post('brand', { text: 'New kettles!' })
  const first = await network.post('ana@remote.example', { text: '@brand how much?', in_reply_to_id: root })
  const ours = await network.post('brand', { text: '@ana@remote.example 20', in_reply_to_id: first })
  const one = await pollAll(channel, null)
  await network.post('ana@remote.example', { text: '@brand thanks', in_reply_to_id: ours })
  const two = await pollAll(channel, one.cursor)
  await network.addAccount('ben')
  await network.post('ben', { text: '@brand me too', in_reply_to_id: first })
  await network.post('ben', { text: '@brand something else' })
  const three = await pollAll(channel, two.cursor)
  const events = [...one.events, ...two.events, ...three.events]
  const messages = read(channel, events)
  t.match(messages, [
    { kind: 'reply', thread_key: root, parent_external_id: root },
    { kind: 'reply', thread_key: root, parent_external_id: ours },
    { kind: 'reply', thread_key: root, parent_external_id: first },
    { kind: 'mention', parent_external_id: null },
  ])
  t.same(
    events.map(event => event.thread_key),
    messages.map(message => message.type === 'message' && message.thread_key),
  )
  const lookUps = network.record().filter(entry => entry.kind === 'call' && entry.call.endsWith('/context'))
  t.equal(lookUps.length, 2, 'the thread of a known message is not looked up')
})

test('a thread whose middle is deleted keeps its conversation', async t => {
  const { network, channel } = await openBrand(t)
  const root = await network.post('ana@remote.example', { text: '@brand hello' })
  const ours = await network.post('brand', { text: '@ana@remote.example hi', in_reply_to_id: root })
  const known = await network.post('ana@remote.example', { text: '@brand one', in_reply_to_id: ours })
  const { cursor } = await pollAll(channel, null)
  await network.remove(ours)
  const again = await network.post('brand', { text: '@ana@remote.example hi!', in_reply_to_id: known })
  await network.post('ana@remote.example', { text: '@brand two', in_reply_to_id: again })
  const { events } = await pollAll(channel, cursor)
  t.match(read(channel, events), [{ thread_key: root }])
})

test('an edit and a deletion are noticed within minutes', async t => {
  const { network, channel } = await openBrand(t)
  const start = Date.now()
  const later = (minutes: number) => contextAt(() => new Date(start + minutes * 60_000))
  const edited = await network.post('ana@remote.example', { text: '@brand before' })
  const deleted = await network.post('ana@remote.example', { text: '@brand not for long' })
  const first = await pollAll(channel, null)
  await network.edit(edited, '@brand after')
  await network.remove(deleted)
  const second = await pollAll(channel, first.cursor, later(1))
  const events = read(channel, second.events, new Date(start + 60_000))
  t.match(
    events.find(event => event.type === 'message'),
    { external_id: edited, text: '@brand after' },
  )
  t.match(
    events.find(event => event.type === 'deletion'),
    { external_id: deleted },
  )
  const third = await pollAll(channel, second.cursor, later(7))
  t.same(third.events, [], 'each is told once')
})

test('a server that does not give several posts at once is polled all the same', async t => {
  const { network, channel } = await openBrand(t, { gives_several: false })
  await network.post('ana@remote.example', { text: '@brand 1' })
  const { events, cursor } = await pollAll(channel, null)
  t.equal(events.length, 1)
  await pollAll(
    channel,
    cursor,
    contextAt(() => new Date(Date.now() + 60_000)),
  )
  const asked = network.record().filter(entry => entry.kind === 'call' && entry.call === 'GET /api/v1/statuses')
  t.equal(asked.length, 1, 'and asked for them only once')
})

test('a thread that cannot be looked up holds nothing up for ever', async t => {
  const { network, channel } = await openBrand(t)
  const root = await network.post('brand', { text: 'New kettles!' })
  await network.post('ana@remote.example', { text: '@brand 1' })
  await network.post('ana@remote.example', { text: '@brand 2', in_reply_to_id: root })
  await network.post('ana@remote.example', { text: '@brand 3' })
  await network.misbehave([{ call: 'GET /api/v1/statuses/:id/context', fault: { kind: 'page', status: 502 } }])
  let cursor: Record<string, unknown> | null = null
  const seen = new Map<string, unknown>()
  let failures = 0
  for (let polls = 0; polls < 6; polls += 1) {
    const page = await mastodonConnector.poll!(channel, cursor, contextAt())
    for (const event of page.events) seen.set(event.dedup_key, event.payload)
    if (page.failed) failures += 1
    cursor = JSON.parse(JSON.stringify(page.cursor))
  }
  t.equal(failures, 3)
  t.equal(seen.size, 3)
})

test('a server that is slow to tell threads is read in several steps, each thread looked up once', async t => {
  const { network, channel } = await openBrand(t)
  const answer = async (number: number) => {
    const root = await network.post('brand', { text: `Post ${number}` })
    await network.post('ana@remote.example', { text: `@brand ${number}`, in_reply_to_id: root })
  }
  let elapsedMs = 0
  const context = contextAt(() => {
    elapsedMs += 5_000
    return new Date(Date.now() + elapsedMs)
  })
  for (let number = 1; number <= 8; number += 1) await answer(number)
  const first = await pollAll(channel, null, context)
  for (let number = 9; number <= 16; number += 1) await answer(number)
  const second = await pollAll(channel, first.cursor, context)
  t.ok(first.pages > 2 && second.pages > 2, `${first.pages} and ${second.pages} pages`)
  const keys = [...first.events, ...second.events].map(({ dedup_key }) => dedup_key)
  t.equal(new Set(keys).size, 16)
  const lookUps = network.record().filter(entry => entry.kind === 'call' && entry.call.endsWith('/context'))
  t.equal(lookUps.length, 16)
})

test('a limit is waited for until its instant, and pages of HTML are an outage', async t => {
  const { network, channel } = await openBrand(t)
  const { cursor } = await pollAll(channel, null)
  const fails = (fault: Parameters<typeof network.misbehave>[0][0]['fault']) => async () => {
    await network.misbehave([{ call: 'GET /api/v1/notifications', fault }])
    return mastodonConnector.poll!(channel, cursor, contextAt()).then(
      () => t.fail('it did not fail'),
      (error: { name: string; retry_at: Date | null }) => error,
    )
  }
  const limited = (await fails({ kind: 'limited', reset_ms: 120_000 })()) as { retry_at: Date }
  const wait = limited.retry_at.getTime() - Date.now()
  t.ok(wait > 100_000 && wait < 122_000, String(wait))
  const absurd = (await fails({ kind: 'limited', reset_ms: 90 * 24 * 3_600_000 })()) as { retry_at: Date }
  t.ok(absurd.retry_at.getTime() - Date.now() < 61_000, 'an absurd time is not believed')
  for (const fault of [
    { kind: 'html' },
    { kind: 'page', status: 502 },
    { kind: 'page', status: 401 },
    { kind: 'no-content' },
    { kind: 'half-json' },
    { kind: 'cut' },
  ] as const) {
    t.match(await fails(fault)(), { name: 'MastodonFailure' }, fault.kind)
  }
})

test('a revoked token and a missing scope stop the channel', async t => {
  const { network, channel, brand } = await openBrand(t)
  await network.misbehave([
    {
      call: 'GET /api/v1/notifications',
      fault: { kind: 'refused', status: 403, error: 'outside the scopes' },
      times: 1,
    },
  ])
  await t.rejects(pollAll(channel, null), ChannelAuthError)
  await network.revoke(brand.token)
  await t.rejects(pollAll(channel, null), ChannelAuthError)
})

test('a token that ran out is renewed and saved before it is used', async t => {
  const { network, channel } = await openBrand(t)
  const shop = await network.addAccount('shop', { renewable: true })
  const credentials = { access_token: shop.token, refresh_token: shop.refresh_token! }
  const renewable = { ...channel, external_id: shop.id, credentials }
  await network.revoke(shop.token, true)
  let saved: Record<string, unknown> | null = null
  const context = contextAt(undefined, {
    saveSession: async session => {
      saved = session
    },
  })
  await pollAll(renewable, null, context)
  t.match(saved, { granted_to: shop.token, access_token: /^\w+$/ })
  await pollAll({ ...renewable, session: saved }, null)
  const refreshed = network.record().filter(entry => entry.kind === 'call' && entry.call === 'POST /oauth/token')
  t.equal(refreshed.length, 1)
})

test('history is read back to the day that was asked for', async t => {
  for (const ignores_paging of [false, true]) {
    const { network, channel } = await openBrand(t, { ignores_paging })
    const day = (ago: number) => new Date(Date.now() - ago * 24 * 3_600_000)
    for (let ago = 90; ago > 0; ago -= 1)
      await network.post('ana@remote.example', { text: `@brand ${ago}`, created_at: day(ago).toISOString() })
    const found: string[] = []
    let cursor: Record<string, unknown> | null = null
    do {
      const page = await mastodonConnector.readHistory!(channel, day(60.5), cursor, contextAt())
      found.push(...page.events.map(event => event.dedup_key))
      cursor = page.cursor && JSON.parse(JSON.stringify(page.cursor))
    } while (cursor)
    t.equal(found.length, 60)
    t.equal(new Set(found).size, 60)
  }
})

test('limits that a server changes are known within a day, and stay known when it does not tell them', async t => {
  const { network, channel } = await openBrand(t)
  await network.post('ana@remote.example', { text: '@brand hello' })
  const start = Date.now()
  const pollAt = async (cursor: Record<string, unknown> | null, hours: number) => {
    const context = contextAt(() => new Date(start + hours * 3_600_000))
    for (let from = cursor; ; ) {
      const page = await mastodonConnector.poll!(channel, from, context)
      from = JSON.parse(JSON.stringify(page.cursor)) as Record<string, unknown>
      if (!page.more) return { cursor: from, network_facts: page.network_facts }
    }
  }
  const first = await pollAt(null, 0)
  t.equal(first.network_facts, undefined, 'it was connected just now')
  await network.configure({ max_characters: 1000 })
  const early = await pollAt(first.cursor, 23)
  t.equal(early.network_facts, undefined)
  const next = await pollAt(early.cursor, 24)
  t.match(next.network_facts, { max_characters: 1000, acct: 'brand', software: 'mastodon' })
  await network.misbehave(
    ['GET /api/v2/instance', 'GET /api/v1/instance'].map(call => ({ call, fault: { kind: 'html' as const } })),
  )
  const silent = await pollAt(next.cursor, 48)
  t.equal(silent.network_facts, undefined)
})
