import {
  firstWorkspace,
  restClient,
  serviceEnvironment,
  startApi,
  startService,
  testDatabase,
  until,
} from '@parley/testing'
import t from 'tap'
import { createPerson, post } from './people.ts'
import { startNetwork } from './start-network.ts'

const { PEER_POSTGRES_URL, PEER_REDIS_HOST } = process.env
if (!PEER_POSTGRES_URL || !PEER_REDIS_HOST) throw new Error('Set PEER_POSTGRES_URL and PEER_REDIS_HOST')

type Listed = { id: string; status: string }
type Said = { id: string; direction: string; body: string; state: string; external_id: string; occurred_at: string }

t.setTimeout(180_000)

t.test('a customer mentions the brand on Bluesky, an agent answers, the customer reads it in the thread', async t => {
  const network = await startNetwork({ postgresUrl: PEER_POSTGRES_URL, redisHost: PEER_REDIS_HOST })
  t.teardown(network.stop)
  const brand = await createPerson(network.pds_url, 'brand.test')
  const ana = await createPerson(network.pds_url, 'anna.test')
  const { data: appPassword } = await brand.com.atproto.server.createAppPassword({ name: 'parley' })

  const { db, url } = await testDatabase(t)
  const { key, inbox_id } = await firstWorkspace(db)
  const env = serviceEnvironment(url, { kind: 'postgres', url })
  const api = await startApi(t, env)
  startService(t, 'worker', env)
  const admin = restClient(api.url, key)
  const account = { name: 'Brand on Bluesky', kind: 'bluesky', inbox_id, settings: { service_url: network.pds_url } }

  const wrong = { identifier: 'brand.test', app_password: 'not-the-password' }
  const refused = await admin.post('/v1/channels', { ...account, credentials: wrong })
  t.equal(refused.status, 422, 'a wrong password is refused when the channel is connected')
  const credentials = { identifier: 'brand.test', app_password: appPassword.password }
  const channel = await admin.post('/v1/channels', { ...account, credentials })
  t.equal(channel.status, 201, JSON.stringify(channel.body))
  t.equal(channel.body.external_id, brand.assertDid)

  const mention = await post(ana, '@brand.test my kettle stopped working 😞')
  await network.flush()
  const conversation = await until('the mention is listed', async () => {
    await admin.post(`/v1/channels/${channel.body.id}/poll`)
    return (await admin.get('/v1/conversations')).body.data[0] as Listed | undefined
  })
  const path = `/v1/conversations/${conversation.id}`
  const said = async () => (await admin.get(`${path}/messages`)).body.data as Said[]
  t.match(await said(), [
    { direction: 'inbound', external_id: mention.uri, body: '@brand.test my kettle stopped working 😞' },
  ])

  const text = 'Sorry, @anna.test! A new one leaves today 📦'
  const idempotent = { 'idempotency-key': 'bluesky-reply-1' }
  t.equal((await admin.post(`${path}/replies`, { body: text }, idempotent)).status, 202)
  const sent = await until('the reply is sent', async () => (await said()).find(message => message.state === 'sent'))
  await network.flush()
  const { data } = await ana.getPostThread({ uri: mention.uri })
  const { replies = [] } = data.thread as {
    replies?: { post: { uri: string; author: { did: string }; record: { text: string } } }[]
  }
  t.match(replies, [{ post: { uri: sent.external_id, author: { did: brand.assertDid }, record: { text } } }])
  t.equal(replies.length, 1)
  const sla = (await admin.get(`${path}/sla`)).body
  t.equal(sla.waits[0].closed_at, sent.occurred_at, 'the wait ended when the network accepted')

  await t.test('her answer in the thread comes back to the same conversation', async t => {
    const root = { uri: mention.uri, cid: mention.cid }
    const parent = replies[0]!.post as unknown as { uri: string; cid: string }
    await post(ana, 'Thank you!', { reply: { root, parent: { uri: parent.uri, cid: parent.cid } } })
    await network.flush()
    await until('her thanks are there', async () => {
      await admin.post(`/v1/channels/${channel.body.id}/poll`)
      return (await said()).find(message => message.body === 'Thank you!')
    })
    t.equal((await admin.get('/v1/conversations')).body.data.length, 1)
    t.equal((await admin.get(path)).body.status, 'open')
  })
})
