import { mastodonClient, startFakeMastodon, until } from '@parley/testing'
import t from 'tap'

const statusOf = (call: Promise<unknown>) =>
  call.then(
    () => 200,
    (error: { statusCode: number }) => error.statusCode,
  )

t.test('another client than ours posts, answers, reads threads and notifications', async t => {
  const network = await startFakeMastodon(t)
  const brand = await network.addAccount('brand')
  const ana = await network.addAccount('ana@remote.example')
  const [ours, hers] = [await mastodonClient(network.url, brand.token), await mastodonClient(network.url, ana.token)]

  const said = await hers.v1.statuses.create({ status: '@brand my kettle https://remote.example/pictures/of-a-kettle' })
  t.match(said.content, /class="u-url mention"/)
  const heard = await ours.v1.notifications.list({ types: ['mention'] })
  t.match(heard, [{ type: 'mention', status: { id: said.id, account: { acct: 'ana@remote.example' } } }])
  const answer = await ours.v1.statuses.create({
    status: '@ana@remote.example sorry!',
    inReplyToId: said.id,
    visibility: 'unlisted',
  })
  const context = await hers.v1.statuses.$select(said.id).context.fetch()
  t.match(context.descendants, [{ id: answer.id, visibility: 'unlisted', inReplyToId: said.id }])
  t.match(await hers.v1.notifications.list(), [{ status: { id: answer.id } }])
  t.equal((await hers.v1.statuses.$select(answer.id).favourite()).favouritesCount, 1)
  await hers.v1.statuses.$select(said.id).remove()
  t.same(await ours.v1.notifications.list(), [], 'a notification vanishes with its post')
})

t.test('the same key twice is one post, another key another', async t => {
  const network = await startFakeMastodon(t)
  const { token } = await network.addAccount('brand')
  const client = await mastodonClient(network.url, token)
  const post = (status: string, key: string) =>
    client.v1.statuses.create({ status }, { requestInit: { headers: { 'Idempotency-Key': key } } })
  const first = await post('one', 'k1')
  t.equal((await post('the body is not compared', 'k1')).id, first.id)
  t.not((await post('one', 'k2')).id, first.id)

  await network.misbehave([{ call: 'POST /api/v1/statuses', fault: { kind: 'slow-work', ms: 1_000 }, times: 1 }])
  const slow = post('slow', 'k3')
  await until('the first is at work', async () =>
    network.record().some(entry => entry.kind === 'call' && entry.idempotency_key === 'k3'),
  )
  t.equal(await statusOf(post('slow', 'k3')), 503)
  const { id } = await slow
  await network.remove(id)
  t.equal(await statusOf(post('slow', 'k3')), 404, 'the first is gone meanwhile')
})

t.test('pages forward with min_id, newest first, and Link leads into the past', async t => {
  for (const ids of ['snowflake', 'ulid', 'flake', 'uuid'] as const) {
    const network = await startFakeMastodon(t)
    await network.configure({ ids })
    const { token } = await network.addAccount('brand')
    await network.addAccount('ana')
    for (let number = 1; number <= 5; number += 1) await network.post('ana', { text: `@brand ${number}` })
    const get = async (query: string) => {
      const response = await fetch(`${network.url}/api/v1/notifications?${query}`, {
        headers: { authorization: `Bearer ${token}` },
      })
      const listed = (await response.json()) as { id: string; status: { content: string } }[]
      const numbers = listed.map(({ status }) => /(\d)<\/p>$/.exec(status.content)?.[1])
      return { listed, numbers: numbers.join(''), link: response.headers.get('link') }
    }
    const all = await get('limit=80')
    t.equal(all.numbers, '54321')
    const first = encodeURIComponent(all.listed[4]!.id)
    t.equal((await get(`limit=2&min_id=${first}`)).numbers, '32', `${ids}: the oldest that are new`)
    t.equal((await get(`limit=2&since_id=${first}`)).numbers, '54', `${ids}: the newest, with a gap`)
    const { link } = await get(`limit=2&min_id=${first}`)
    t.match(link, /max_id=[^>]+>; rel="next"/)
    t.notMatch(link, new RegExp(`min_id=${first}`), `${ids}: the Link forgets where we were`)
    const last = await get(`min_id=${encodeURIComponent(all.listed[0]!.id)}`)
    t.same([last.listed, last.link], [[], null])
  }
})

t.test(
  'private messages of strangers are filtered, tokens of applications are refused, limits name an instant',
  async t => {
    const network = await startFakeMastodon(t)
    const { token } = await network.addAccount('brand')
    await network.addAccount('ana')
    await network.post('ana', { text: '@brand psst', visibility: 'direct' })
    const list = async (query: string, bearer = token) =>
      fetch(`${network.url}/api/v1/notifications${query}`, { headers: { authorization: `Bearer ${bearer}` } })
    t.same(await (await list('')).json(), [])
    t.equal(((await (await list('?include_filtered=true')).json()) as unknown[]).length, 1)
    t.equal((await list('', await network.addAppToken())).status, 422)
    t.equal((await list('', 'nonsense')).status, 401)
    await network.misbehave([{ call: 'GET /api/v1/notifications', fault: { kind: 'limited', reset_ms: 60_000 } }])
    const limited = await list('')
    t.same([limited.status, limited.headers.get('retry-after')], [429, null])
    t.match(limited.headers.get('x-ratelimit-reset'), /^\d{4}-\d\d-\d\dT[\d:.]+\d{6}Z$/)
  },
)

t.test('a file is worked through before it can be attached', async t => {
  const network = await startFakeMastodon(t)
  const { token } = await network.addAccount('brand')
  const client = await mastodonClient(network.url, token)
  const file = new Blob([Buffer.from('not really a picture')], { type: 'image/png' })
  const media = await client.v2.media.create({ file, description: 'A kettle', skipPolling: true })
  t.notOk(media.url)
  t.equal(await statusOf(client.v1.statuses.create({ mediaIds: [media.id], status: '' })), 422)
  const ready = await client.v2.media.create({ file, description: 'A kettle' })
  const { mediaAttachments } = await client.v1.statuses.create({ mediaIds: [ready.id], status: '' })
  t.match(mediaAttachments, [{ description: 'A kettle' }])
})
