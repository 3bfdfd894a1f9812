import { until } from '@parley/testing'
import t from 'tap'
import { openShop } from './mastodon-shop.ts'

t.setTimeout(120_000)

/** Polls so far apart that only the stream can have told of a message. */
const RARELY = 86_400
/** A dead worker's lease runs out. */
const HEALED_MS = 60_000

t.test('a customer writes, an agent answers, the customer reads it in the thread with her own client', async t => {
  const { network, admin, connect, conversations, said, openWorker, ana } = await openShop(t, RARELY)
  const refused = await connect('not-the-token')
  t.equal(refused.status, 422, 'a wrong token is refused when the account is connected')
  const { token } = await network.addAccount('other')
  t.equal((await connect(token)).status, 201, 'any account of the server may be connected')
  await network.addAccount('ben')
  const brand = await network.addAccount('shop')
  const channel = await connect(brand.token)
  t.same([channel.status, channel.body.external_id], [201, brand.id], JSON.stringify(channel.body))
  openWorker()
  await until('the account is listened to', async () => (await network.openStreams()) === 2)

  const question = await ana.v1.statuses.create({
    status: '@shop @ben my kettle stopped working 😞',
    visibility: 'unlisted',
  })
  // Polls are a day apart: the stream alone can have told of it.
  const conversation = await until('the mention is in the inbox', async () => (await conversations())[0])
  t.match(await said(conversation.id), [
    {
      direction: 'inbound',
      external_id: question.id,
      body: '@shop @ben my kettle stopped working 😞',
      visibility: 'unlisted',
    },
  ])
  const path = `/v1/conversations/${conversation.id}`
  const reply = async (key: string, body: string, visibility: string) =>
    admin.post(`${path}/replies`, { body, visibility }, { 'idempotency-key': key })
  await reply('reply-wider', 'Everybody may read this', 'public')
  const text = 'Sorry! A new one leaves today: https://shop.example/kettles'
  const queued = await reply('reply-as-wide', text, 'unlisted')
  t.equal(queued.status, 202, JSON.stringify(queued.body))
  const sent = await until('it is sent', async () =>
    (await said(conversation.id)).find(({ state }) => state === 'sent'),
  )
  const { descendants } = await ana.v1.statuses.$select(question.id).context.fetch()
  t.match(descendants, [
    { id: sent.external_id, visibility: 'unlisted', inReplyToId: question.id, account: { acct: 'shop' } },
  ])
  t.equal(descendants.length, 1, 'nothing was said to more people than the question')
  t.same(
    descendants[0]!.mentions.map(({ acct }) => acct).sort(),
    ['ana@remote.example', 'ben'],
    'she and whom she mentioned hear of it',
  )
  t.match(await ana.v1.notifications.list({ types: ['mention'] }), [{ status: { id: sent.external_id } }])

  await ana.v1.statuses.create({ status: '@shop thank you!', inReplyToId: sent.external_id, visibility: 'direct' })
  // The server filters what strangers say in private, and streams nothing of it; the next poll reads it.
  t.equal((await admin.post(`/v1/channels/${channel.body.id}/poll`)).status, 202)
  await until('her thanks are in the same conversation', async () =>
    (await said(conversation.id)).find(
      ({ body, visibility }) => body === '@shop thank you!' && visibility === 'private',
    ),
  )
  t.equal((await conversations()).length, 1)
})

t.test(
  'a worker killed while it listens is followed by another, and one that is told to end lets go at once',
  async t => {
    const { network, brand, connect, openWorker, conversations, db, workspace_id, ana } = await openShop(t, RARELY)
    t.equal((await connect(brand.token)).status, 201)
    const opened = () => network.record().filter(entry => entry.kind === 'stream' && entry.open).length
    const first = openWorker()
    await until('the first listens', async () => opened() === 1)
    const second = openWorker()
    await until('the second works', async () => second.output().includes('"msg":"working"'))
    await first.kill()
    await until('the second listens', async () => opened() === 2 && (await network.openStreams()) === 1, HEALED_MS)
    await ana.v1.statuses.create({ status: '@brand are you there?' })
    await until('the mention is in the inbox', async () => (await conversations())[0])
    second.process.kill('SIGTERM')
    t.equal(await second.exited, 0)
    t.equal(await network.openStreams(), 0)
    const { lease_until } = await db.inWorkspace(workspace_id, trx =>
      trx.selectFrom('channel_listeners').select('lease_until').executeTakeFirstOrThrow(),
    )
    t.ok(lease_until <= new Date(), 'nobody has to wait for the lease to run out')
  },
)
