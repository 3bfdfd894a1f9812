import {
  comment,
  firstWorkspace,
  OWN_LOCKS,
  onBothBackends,
  restClient,
  serviceEnvironment,
  startApi,
  startReceiver,
  startService,
  testDatabase,
  until,
} from '@parley/testing'
import pg from 'pg'
import t, { type Test } from 'tap'

const BEARER = 'a-secret-of-the-shop-and-parley'
const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`

/** An API with a generic channel, no worker yet, and a client for each side. */
async function setUp(t: Test, env: Record<string, string>, key: string, inbox_id: string, reply_url: string) {
  const api = await startApi(t, env)
  const admin = restClient(api.url, key)
  const channel = await admin.post('/v1/channels', {
    kind: 'generic',
    name: 'Shop',
    inbox_id,
    settings: { reply_url },
    credentials: { bearer_secret: BEARER, signing_secrets: [SECRET] },
  })
  const shop = restClient(api.url, BEARER)
  return { admin, hook: (body: unknown) => shop.post(`/hooks/${channel.body.id}`, body) }
}

t.test('a worker killed between ledger and message loses nothing and doubles nothing', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const { db, url } = await testDatabase(t)
    const { key, inbox_id, workspace_id } = await firstWorkspace(db)
    const env = serviceEnvironment(url, backendOf(url))
    const { admin, hook } = await setUp(t, env, key, inbox_id, 'http://127.0.0.1:9/')

    // The worker stands still inside its transaction: it has claimed the event and cannot write the conversation.
    const blocker = new pg.Client({ connectionString: url })
    await blocker.connect()
    t.teardown(() => blocker.end())
    await blocker.query('begin; lock table conversations in access exclusive mode')
    const worker = startService(t, 'worker', env)
    t.equal((await hook(comment({ external_id: 'r-1' }))).status, 202)
    await until('the worker waits for the table', async () => {
      const { rows } = await blocker.query(
        `select from ${OWN_LOCKS} where relation = 'conversations'::regclass and not granted`,
      )
      return rows.length > 0
    })
    await worker.kill()
    await blocker.query('rollback')
    const messages = () => db.inWorkspace(workspace_id, trx => trx.selectFrom('messages').selectAll().execute())
    t.equal((await messages()).length, 0, 'nothing of the batch was kept')

    startService(t, 'worker', env)
    await until('the message is there', async () => (await messages()).length > 0)
    t.equal((await hook(comment({ external_id: 'r-1' }))).body.accepted, 1, 'the same comment in another event')
    await until('the ledger is done', async () => {
      const pending = await db.inWorkspace(workspace_id, trx =>
        trx.selectFrom('inbound_events').select('id').where('state', '=', 'pending').execute(),
      )
      return pending.length === 0
    })
    t.equal((await messages()).length, 1)
    t.equal((await admin.get('/v1/conversations')).body.data.length, 1)
  })
})

t.test('a worker killed between sending and the answer says nothing twice', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const { db, url } = await testDatabase(t)
    const { key, inbox_id, workspace_id } = await firstWorkspace(db)
    const env = serviceEnvironment(url, backendOf(url))
    const network = await startReceiver(t, () => 'hang')
    const { admin, hook } = await setUp(t, env, key, inbox_id, network.url)
    const worker = startService(t, 'worker', env)
    await hook(comment({ external_id: 'r-1' }))
    const conversation = await until('the conversation is listed', async () => {
      return (await admin.get('/v1/conversations')).body.data[0] as { id: string } | undefined
    })
    const path = `/v1/conversations/${conversation.id}`
    const idempotent = { 'idempotency-key': 'reply-00000001' }
    t.equal((await admin.post(`${path}/replies`, { body: 'Today.' }, idempotent)).status, 202)
    await until('the network has the reply and has not answered', async () => network.received.length === 1)
    await worker.kill()
    const reply = async () => {
      const { data } = (await admin.get(`${path}/messages`)).body
      return data.find((message: { direction: string }) => message.direction === 'outbound')
    }
    t.equal((await reply()).state, 'sending', 'the attempt was committed before the call')

    // The lease of the dead worker's attempt runs out; a minute is not worth waiting for.
    await db.inWorkspace(workspace_id, trx =>
      trx.updateTable('messages').set({ next_attempt_at: new Date() }).where('state', '=', 'sending').execute(),
    )
    startService(t, 'worker', env)
    await until('the reply is unknown', async () => (await reply()).state === 'unknown')
    t.equal(network.received.length, 1, 'the network was called once')
    const sla = (await admin.get(`${path}/sla`)).body
    t.equal(sla.waits[0].closed_at, null, 'the customer still waits')
    await until('the log says so', async () => {
      const { data } = (await admin.get('/v1/events?limit=100')).body
      return data.some((event: { type: string }) => event.type === 'reply.unknown')
    })
  })
})
