import {
  comment,
  firstWorkspace,
  onBothBackends,
  restClient,
  serviceEnvironment,
  startApi,
  startService,
  testDatabase,
  until,
} from '@parley/testing'
import t from 'tap'

const BEARER = 'a-secret-of-the-shop-and-parley'

t.test('a worker is told of a batch, and goes through it without anybody looking for it', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const { db, url } = await testDatabase(t)
    const { key, inbox_id } = await firstWorkspace(db)
    const env = serviceEnvironment(url, backendOf(url))
    const api = await startApi(t, env)
    const admin = restClient(api.url, key)
    const credentials = { bearer_secret: BEARER }
    const channel = await admin.post('/v1/channels', { kind: 'generic', name: 'Shop', inbox_id, credentials })
    // Without the sweeper there is nothing but the hint.
    startService(t, 'worker', { ...env, WORKER_QUEUES: 'ingest,batches' })
    const shop = restClient(api.url, BEARER)
    for (const external_id of ['r-1', 'r-2']) await shop.post(`/hooks/${channel.body.id}`, comment({ external_id }))
    const listed = async () => (await admin.get('/v1/conversations')).body.data as { id: string }[]
    // Beside other test files on two cores a start has taken half a minute.
    await until('the comments are there', async () => (await listed()).length > 0, 90_000)
    const [conversation] = await listed()
    const finished = (id: string) =>
      until('it has finished', async () => {
        const { body } = await admin.get(`/v1/message_batches/${id}`)
        return body.state === 'finished' && body
      })
    const order = { action: 'dismiss', reason: 'Only thanks', conversation_id: conversation!.id }
    const made = await admin.post('/v1/messages/bulk', order, { 'idempotency-key': 'thanks-00001' })
    t.equal(made.status, 202)
    t.ok((await finished(made.body.id)).counts.done >= 1)
    const path = `/v1/message_batches/${made.body.id}/undo`
    const undone = await admin.post(path, undefined, { 'idempotency-key': 'thanks-00002' })
    t.match((await finished(undone.body.id)).counts, { refused: 0, unchanged: 0 })
  })
})
