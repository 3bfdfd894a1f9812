import { openChannel, seal } from '@parley/core'
import { findChannel, updateChannel } from '@parley/db'
import {
  FaultProxy,
  firstWorkspace,
  restClient,
  serviceEnvironment,
  startApi,
  startService,
  TEST_SECRET_KEY,
  testDatabase,
  until,
} from '@parley/testing'
import t from 'tap'
import { createPerson, post } from './people.ts'
import { startNetwork } from './start-network.ts'

const { PEER_POSTGRES_URL, PEER_REDIS_HOST } = process.env
if (!PEER_POSTGRES_URL || !PEER_REDIS_HOST) throw new Error('Set PEER_POSTGRES_URL and PEER_REDIS_HOST')

t.setTimeout(600_000)

/** An attempt belongs to its worker for a minute; whoever comes after it asks the network only then. */
const LEASE_PATIENCE_MS = 240_000

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

/** Ana's mentions, each a conversation. */
async function conversations(texts: string[]): Promise<string[]> {
  for (const text of texts) await post(ana, text)
  await network.flush()
  const worker = startService(t, 'worker', env)
  const paths = await until('all are listed', async () => {
    await admin.post(`${channelPath}/poll`)
    const { data } = (await admin.get('/v1/conversations?limit=100')).body as { data: { id: string }[] }
    const found = new Map<string, string>()
    for (const { id } of data) found.set((await saidIn(`/v1/conversations/${id}`))[0]!.body, `/v1/conversations/${id}`)
    return texts.every(text => found.has(text)) ? texts.map(text => found.get(text)!) : undefined
  })
  // Told to end, not killed: a turn of polling that dies is nobody's for two minutes.
  worker.process.kill('SIGTERM')
  await worker.exited
  return paths
}

let replies = 0
async function reply(path: string, body: string): Promise<void> {
  replies += 1
  const { status } = await admin.post(`${path}/replies`, { body }, { 'idempotency-key': `send-faults-${replies}` })
  if (status !== 202) throw new Error(`${status}`)
}

const sent = (path: string, body: string) =>
  until(
    `"${body}" is sent`,
    async () => (await saidIn(path)).find(said => said.body === body && said.state === 'sent'),
    LEASE_PATIENCE_MS,
  )

/** The posts of the brand with that text, as Ana sees them. */
async function postsSaying(text: string): Promise<string[]> {
  await network.flush()
  const { data } = await ana.getAuthorFeed({ actor: brand.assertDid, filter: 'posts_with_replies', limit: 100 })
  return data.feed.filter(({ post }) => (post.record as { text: string }).text === text).map(({ post }) => post.uri)
}

type Trap = Parameters<FaultProxy['trap']>[0]

/** Sets a trap; what it returns waits until it has sprung. */
function springs(trap: Trap): () => Promise<boolean> {
  let sprung = false
  void proxy.trap(trap).then(() => {
    sprung = true
  })
  return () => until(`something falls into ${JSON.stringify(trap)}`, async () => sprung, 60_000)
}

// Only sends, so that what the proxy sees is a send.
const sender = () => startService(t, 'worker', { ...env, WORKER_QUEUES: 'send,housekeeping' })
const ANSWER = { direction: 'down', pattern: 'HTTP/1.1 200', armedBy: 'putRecord' } as const

t.test('a worker that dies at any step of a send, or loses the answer, leaves one post', async t => {
  const steps: Record<string, Trap> = {
    'while the reply is prepared': { direction: 'up', pattern: 'getPosts', effect: 'hang' },
    'while the post leaves': { direction: 'up', pattern: 'putRecord', effect: 'hang' },
    'before the answer arrives': { ...ANSWER, effect: 'hang' },
  }
  const lost = 'whose answer is cut off'
  const names = [...Object.keys(steps), lost]
  const paths = await conversations(names.map(name => `@brand.test a question ${name}`))
  const pathOf = new Map(names.map((name, at) => [name, paths[at]!]))
  for (const [name, trap] of Object.entries(steps)) {
    const sprung = springs(trap)
    await reply(pathOf.get(name)!, `An answer ${name}`)
    const worker = sender()
    await sprung()
    await worker.kill()
    proxy.cutAll()
  }
  const sprung = springs({ ...ANSWER, effect: 'cut' })
  await reply(pathOf.get(lost)!, `An answer ${lost}`)
  const first = sender()
  await sprung()
  const second = sender()
  for (const name of names) {
    const { external_id } = await sent(pathOf.get(name)!, `An answer ${name}`)
    t.same(await postsSaying(`An answer ${name}`), [external_id], name)
  }
  for (const path of paths) t.equal((await saidIn(path)).length, 2, 'and one message')
  await Promise.all([first.kill(), second.kill()])
})

t.test('a revoked app password disables the channel, and its replies wait for another one', async t => {
  const [path] = (await conversations(['@brand.test are you there?'])) as [string]
  await brand.com.atproto.server.revokeAppPassword({ name: 'first' })
  // The network would take the present token for two hours more.
  await db.inWorkspace(workspace_id, async trx => {
    const channel = (await findChannel(trx, connected.body.id))!
    const { session } = openChannel(TEST_SECRET_KEY, channel)
    const context = `channel:${workspace_id}:${channel.id}`
    const session_sealed = seal(TEST_SECRET_KEY, context, { ...session, accessJwt: 'expired' })
    await updateChannel(trx, channel.id, { session_sealed })
  })
  await reply(path, 'We are back')
  const worker = sender()
  await until('the channel is disabled', async () => {
    const { status, status_reason } = (await admin.get(channelPath)).body
    return status === 'disabled' && /refuses this login/.test(status_reason)
  })
  const events = (await admin.get('/v1/events?limit=100')).body.data as { type: string }[]
  t.ok(events.some(({ type }) => type === 'channel.disabled'))
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
  const { external_id } = await sent(path, 'We are back')
  t.same(await postsSaying('We are back'), [external_id])
  t.match((await admin.post(`${channelPath}/test`)).body, { ok: true })
  await worker.kill()
})
