import { openChannel, seal } from '@parley/core'
import { findChannel, updateChannel } from '@parley/db'
import {
  DATABASE_STEPS,
  FaultProxy,
  firstWorkspace,
  killSenders,
  lookNotStored,
  restClient,
  type SendStep,
  serviceEnvironment,
  settledReply,
  startApi,
  startService,
  TEST_SECRET_KEY,
  testDatabase,
  until,
} from '@parley/testing'
import t from 'tap'
import { createPerson, post, threadOf } from './people.ts'
import { startNetwork } from './start-network.ts'

const { PEER_POSTGRES_URL, PEER_REDIS_HOST } = process.env
if (!PEER_POSTGRES_URL || !PEER_REDIS_HOST) throw new Error('Set PEER_POSTGRES_URL and PEER_REDIS_HOST')

t.setTimeout(600_000)

const network = await startNetwork({ postgresUrl: PEER_POSTGRES_URL, redisHost: PEER_REDIS_HOST })
t.teardown(network.stop)
const brand = await createPerson(network.pds_url, 'brand.test')
const ana = await createPerson(network.pds_url, 'anna.test')
// Between the product and the account's server; Ana and the brand's phone do without it.
const proxy = await FaultProxy.start(t, network.pds_url.replace('localhost', '127.0.0.1'))
const service_url = proxy.through(network.pds_url.replace('localhost', '127.0.0.1'))

const { db, url } = await testDatabase(t)
const { key, inbox_id, workspace_id } = await firstWorkspace(db)
const env = serviceEnvironment(url, { kind: 'postgres', url })
const api = await startApi(t, env)
const admin = restClient(api.url, key)

const appPassword = async (name: string) => {
  const { data } = await brand.com.atproto.server.createAppPassword({ name })
  return { identifier: 'brand.test', app_password: data.password }
}
const connected = await admin.post('/v1/channels', {
  ...{ name: 'Brand', kind: 'bluesky', inbox_id, settings: { service_url } },
  credentials: await appPassword('first'),
})
if (connected.status !== 201) throw new Error(JSON.stringify(connected.body))
const channelPath = `/v1/channels/${connected.body.id}`

type Said = { id: string; body: string; state: string; external_id: string | null }
const saidIn = async (path: string) => (await admin.get(`${path}/messages?limit=100`)).body.data as Said[]

/** Ana's mentions: her posts and their conversations. */
async function ask(texts: string[]): Promise<Map<string, { uri: string; path: string }>> {
  const uris = new Map<string, string>()
  for (const text of texts) uris.set(text, (await post(ana, text)).uri)
  await network.flush()
  const worker = startService(t, 'worker', env)
  const listed = async () => {
    await admin.post(`${channelPath}/poll`)
    const { data } = (await admin.get('/v1/conversations?limit=100')).body as { data: { id: string }[] }
    const paths = new Map<string | null, string>()
    for (const { id } of data) {
      const path = `/v1/conversations/${id}`
      paths.set((await saidIn(path))[0]!.external_id, path)
    }
    return texts.every(text => paths.has(uris.get(text)!)) && paths
  }
  // Beside other test files a worker's start has taken half a minute, and a turn of polling that died is nobody's for two.
  const asked = await until('all are listed', listed, 150_000)
  // Told to end, not killed: a turn of polling that dies is nobody's for two minutes.
  worker.process.kill('SIGTERM')
  await worker.exited
  return new Map(texts.map(text => [text, { uri: uris.get(text)!, path: asked.get(uris.get(text)!)! }]))
}

let replies = 0
async function reply(path: string, body: string): Promise<string> {
  replies += 1
  const answer = await admin.post(`${path}/replies`, { body }, { 'idempotency-key': `send-faults-${replies}` })
  if (answer.status !== 202) throw new Error(JSON.stringify(answer.body))
  return answer.body.id
}

const hang = (pattern: string) => ({ at: 'network', direction: 'up', pattern, effect: 'hang' }) as const
const ANSWER = { at: 'network', direction: 'down', pattern: 'HTTP/1.1 200', armedBy: 'putRecord' } as const
const LOST = { ...ANSWER, effect: 'cut' } as const

const HAS_LEFT = 'when the post has left'
const STEPS: Record<string, SendStep<'network'>> = {
  ...DATABASE_STEPS,
  'while it is prepared': { falls: hang('getPosts'), leaves: 'queued' },
  'while the post leaves': { falls: hang('putRecord'), leaves: 'sending' },
  [HAS_LEFT]: { falls: { ...hang('putRecord'), effect: 'hold' }, leaves: 'sending' },
  'before the answer arrives': { falls: { ...ANSWER, effect: 'hang' }, leaves: 'sending' },
  'while it asks what became of it': { lost: LOST, falls: hang('getRecord'), leaves: 'unknown' },
  'before it notes what became of it': lookNotStored(LOST),
  'never, and the answer is lost': { falls: LOST, leaves: 'unknown' },
}
const WELL = 'at no step, and all goes well'

t.test('a worker that dies at any step of a send leaves one post of its reply, in the right thread', async t => {
  const names = [...Object.keys(STEPS), WELL]
  const question = (name: string) => `@brand.test a question ${name}`
  const asked = await ask(names.map(question))
  const answer = (name: string) => reply(asked.get(question(name))!.path, `An answer ${name}`)
  const sending = { db, url, workspace_id, env, places: { network: proxy }, reply: answer }
  const ids = await killSenders(t, sending, STEPS)
  await until('what had left has arrived without a worker', async () => {
    await network.flush()
    return (await threadOf(ana, asked.get(question(HAS_LEFT))!.uri)).length > 0
  })
  ids.set(WELL, await answer(WELL))
  const worker = startService(t, 'worker', env)
  for (const name of names) await settledReply(sending, ids.get(name)!)
  await network.flush()
  for (const name of names) {
    const { uri, path } = asked.get(question(name))!
    const [asking, ...rows] = await saidIn(path)
    t.equal(asking?.external_id, uri)
    t.match(rows, [{ id: ids.get(name), body: `An answer ${name}`, state: 'sent' }], `${name}: its row`)
    t.equal(rows.length, 1, `${name}: one message`)
    const expected = [{ uri: rows[0]?.external_id, author: brand.assertDid, text: `An answer ${name}`, to: uri }]
    t.same(await threadOf(ana, uri), expected, `${name}: what Ana sees under her post`)
  }
  const { data } = await ana.getAuthorFeed({ actor: brand.assertDid, filter: 'posts_with_replies', limit: 100 })
  t.equal(data.feed.length, names.length, 'and nothing else was posted')
  worker.process.kill('SIGTERM')
  await worker.exited
})

t.test('a revoked app password disables the channel, and its replies wait for another one', async t => {
  const [{ uri, path }] = [...(await ask(['@brand.test are you there?'])).values()] as [{ uri: string; path: string }]
  await brand.com.atproto.server.revokeAppPassword({ name: 'first' })
  // The network would take the present token for two hours more.
  await db.inWorkspace(workspace_id, async trx => {
    const channel = (await findChannel(trx, connected.body.id))!
    const { session } = openChannel(TEST_SECRET_KEY, channel)
    const context = `channel:${workspace_id}:${channel.id}`
    const session_sealed = seal(TEST_SECRET_KEY, context, { ...session, accessJwt: 'expired' })
    await updateChannel(trx, channel.id, { session_sealed })
  })
  const id = await reply(path, 'We are back')
  const worker = startService(t, 'worker', env)
  await until('the channel is disabled', async () => {
    const { status, status_reason } = (await admin.get(channelPath)).body
    return status === 'disabled' && /refuses this login/.test(status_reason)
  })
  const told = await db.inWorkspace(workspace_id, trx =>
    trx.selectFrom('events').select('id').where('type', '=', 'channel.disabled').execute(),
  )
  t.equal(told.length, 1)
  t.match((await saidIn(path)).at(-1), { body: 'We are back', state: 'queued' })
  const tried = await admin.post(`${channelPath}/test`)
  t.match(tried.body, {
    ok: false,
    checks: [
      { name: 'server', ok: true },
      { name: 'login', ok: false },
    ],
  })

  const reconnected = await admin.post(`${channelPath}/reconnect`, { credentials: await appPassword('second') })
  t.equal(reconnected.status, 200, JSON.stringify(reconnected.body))
  const { external_id } = await settledReply({ db, workspace_id }, id)
  await network.flush()
  const expected = [{ uri: external_id, author: brand.assertDid, text: 'We are back', to: uri }]
  t.same(await threadOf(ana, uri), expected)
  t.match((await admin.post(`${channelPath}/test`)).body, { ok: true })
  await worker.kill()
})
