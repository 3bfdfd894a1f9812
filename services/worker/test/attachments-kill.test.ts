import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

t.test('a worker killed while it fetches a file loses nothing, and the message never waited for the file', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'parley-kill-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await onBothBackends(t, async (t, backendOf) => {
    const { db, url } = await testDatabase(t)
    const { key, inbox_id, workspace_id } = await firstWorkspace(db)
    const PARLEY_BLOB_DIR = await mkdtemp(join(folder, 'blobs-'))
    const env = { ...serviceEnvironment(url, backendOf(url)), PARLEY_BLOB_DIR }
    const open: ServerResponse[] = []
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-length': String(PNG.byteLength) })
      if (open.push(response) > 1) response.end(PNG)
      // Half a file, and nothing for a long time.
      else response.write(PNG.subarray(0, 30))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as { port: number }

    const api = await startApi(t, env)
    const admin = restClient(api.url, key)
    const body = { kind: 'generic', name: 'Shop', inbox_id, credentials: { bearer_secret: BEARER } }
    const channel = (await admin.post('/v1/channels', body)).body
    const worker = startService(t, 'worker', env)
    const attachments = [{ url: `http://127.0.0.1:${port}/cat.png`, filename: 'cat.png' }]
    await restClient(api.url, BEARER).post(`/hooks/${channel.id}`, comment({ attachments }))
    await until('the file is being fetched', async () => open.length === 1)
    const files = async () => {
      const [conversation] = (await admin.get('/v1/conversations')).body.data
      const { data } = (await admin.get(`/v1/conversations/${conversation.id}/messages`)).body
      return data.flatMap((message: { attachments: unknown[] }) => message.attachments)
    }
    t.match(await files(), [{ state: 'pending', filename: 'cat.png' }], 'the message is there')
    await worker.kill()

    // The lease of the dead worker runs out; five minutes are not worth waiting for.
    await db.inWorkspace(workspace_id, trx =>
      trx.updateTable('attachments').set({ next_attempt_at: new Date() }).execute(),
    )
    startService(t, 'worker', env)
    await until('the file is here', async () => (await files())[0].state === 'stored')
    t.match(await files(), [{ media_type: 'image/png', byte_size: PNG.byteLength }])
    t.equal((await files()).length, 1)
    const content = await fetch(`${api.url}/v1/attachments/${(await files())[0].id}/content`, {
      headers: { authorization: `Bearer ${key}` },
    })
    t.ok(Buffer.from(await content.arrayBuffer()).equals(PNG))
    t.same((await readdir(PARLEY_BLOB_DIR)).sort(), ['incoming', workspace_id].sort())
  })
})
