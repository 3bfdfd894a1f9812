import { connectedChannel, until } from '@parley/testing'
import { test } from 'tap'
import { ChannelAuthError } from '../src/errors.ts'
import { mastodonConnector } from '../src/mastodon/index.ts'
import { connect, contextAt, openBrand } from './mastodon.ts'

test('an account tells whose it is and what its server takes', async t => {
  const { network, brand, channel } = await openBrand(t, { max_characters: 1_000 })
  t.equal(channel.external_id, brand.id)
  t.match(channel.network_facts, { acct: 'brand', host: new URL(network.url).host, software: 'mastodon' })
  t.match(mastodonConnector.capabilities(channel), {
    idempotency: 'header_key',
    text: { counting: 'fediverse', max_characters: 1_000, link_characters: 23 },
    visibilities: ['public', 'unlisted', 'followers', 'private'],
    attachments: { max_count: 4, max_bytes: 16_777_216, media_types: ['image/png', 'image/jpeg', 'video/mp4'] },
  })
})

test('a server that tells little is taken as a small one, whose repeats are second posts', async t => {
  const { channel } = await openBrand(t, { sparse: true, software: 'gotosocial', knows_repeats: false })
  t.match(mastodonConnector.capabilities(channel), { idempotency: 'look_up', text: { max_characters: 500 } })
  const nothing = connectedChannel({ network_facts: {} })
  t.match(mastodonConnector.capabilities(nothing), { idempotency: 'look_up', attachments: { max_count: 4 } })
})

test('tokens of nobody, of applications and of strangers are refused in words', async t => {
  const { network } = await openBrand(t)
  await t.rejects(connect(network.url, 'nonsense'), ChannelAuthError)
  await t.rejects(connect(network.url, await network.addAppToken()), { message: /belongs to an application/ })
  const narrow = await network.addAccount('narrow', { scopes: ['write'] })
  await t.rejects(connect(network.url, narrow.token), ChannelAuthError)
})

test('a check names every scope that is missing and every mention that is dropped', async t => {
  const { network, channel } = await openBrand(t)
  const fine = await mastodonConnector.check!(channel, contextAt())
  t.same(
    fine.filter(({ ok }) => !ok),
    [],
  )
  t.equal(fine.length, 7)
  await network.setPolicy('brand', {
    for_private_mentions: 'drop',
    for_new_accounts: 'drop',
    for_limited_accounts: 'filter',
  })
  const scopes = ['read', 'write:media']
  const reader = await network.addAccount('reader', { scopes })
  const dropping = await mastodonConnector.check!(channel, contextAt())
  t.match(
    dropping.filter(({ ok }) => !ok),
    [
      { name: 'notification_policy', detail: /new accounts.*never reach/ },
      { name: 'notification_policy', detail: /private messages.*never reach/ },
    ],
  )
  const narrow = await mastodonConnector.check!(await connect(network.url, reader.token), contextAt())
  t.match(
    narrow.filter(({ ok }) => !ok),
    [
      { name: 'write_posts', detail: /write:statuses/ },
      { name: 'write_likes', detail: /write:favourites/ },
    ],
  )
  const { brand } = await openBrand(t)
  const revoked = await mastodonConnector.check!(
    { ...channel, credentials: { access_token: brand.token } },
    contextAt(),
  )
  t.match(revoked, [{ name: 'token', ok: false }])
  t.notOk(
    network.record().some(entry => entry.kind === 'accepted' || entry.kind === 'edited'),
    'nothing is written to find out',
  )
})

test('a stream tells of news until it ends', async t => {
  const { network, channel } = await openBrand(t)
  const stop = new AbortController()
  let news = 0
  const listening = mastodonConnector.listen!(channel, contextAt(undefined, { signal: stop.signal }), () => {
    news += 1
  })
  const ended = t.rejects(listening)
  await until('the connection stands, which is news', async () => news === 1)
  const post = await network.post('ana@remote.example', { text: '@brand hello' })
  await until('a mention is news', async () => news === 2)
  await network.edit(post, '@brand hello!')
  await until('an edit is news', async () => news === 3)
  await network.cutStreams()
  await ended

  const second = t.rejects(mastodonConnector.listen!(channel, contextAt(undefined, { signal: stop.signal }), () => {}))
  await until('it is open again', async () => (await network.openStreams()) === 1)
  stop.abort()
  await second
  await until('it is closed', async () => (await network.openStreams()) === 0)
})

test('where there is no stream, the next try is hours away', async t => {
  const { channel } = await openBrand(t, { streams: false })
  const error = await mastodonConnector.listen!(channel, contextAt(), () => t.fail('no news')).catch(reason => reason)
  t.ok(error.retry_at.getTime() - Date.now() > 3_600_000)
})

test('settings name a server and nothing else', t => {
  const { settingsSchema, credentialsSchema } = mastodonConnector
  t.same(settingsSchema.parse({ server_url: 'https://social.example/' }), { server_url: 'https://social.example' })
  for (const server_url of [
    'social.example',
    'http://social.example',
    'https://a:b@social.example',
    'https://social.example/@brand',
  ])
    t.notOk(settingsSchema.safeParse({ server_url }).success, server_url)
  t.notOk(credentialsSchema.safeParse({ access_token: 'a', password: 'b' }).success)
  t.end()
})
