import { createServer } from 'node:http'
import { channelContext, seal, startBackfill } from '@parley/core'
import { findChannel, findLatestBackfill, insertChannel, newId, updateChannel } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { firstWorkspace, serviceEnvironment, startService, TEST_SECRET_KEY, testDatabase, until } from '@parley/testing'
import t, { type Test } from 'tap'

const HOUR_MS = 3_600_000
const PAGE = 20
/** A hint that died with its worker is repeated every ten seconds. */
const PATIENCE_MS = 60_000

/** A Bluesky with one mention an hour, newest first. The page that begins at `hangAt` never comes. */
async function startBluesky(t: Test, mentions: number) {
  const start = Date.now()
  const network = { url: '', hangAt: -1, hanging: false }
  const server = createServer((request, response) => {
    const from = Number(new URL(request.url!, 'http://pds').searchParams.get('cursor') ?? 0)
    if (from === network.hangAt) {
      network.hanging = true
      return
    }
    const count = Math.max(0, Math.min(PAGE, mentions - from))
    const notifications = Array.from({ length: count }, (_, i) => mention(from + i, start))
    const rest = from + PAGE < mentions ? { cursor: String(from + PAGE) } : {}
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ notifications, ...rest }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  network.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  return network
}

function mention(number: number, start: number) {
  const at = new Date(start - number * HOUR_MS).toISOString()
  return {
    uri: `at://did:plc:ana/app.bsky.feed.post/m${number}`,
    cid: `c${number}`,
    author: { did: 'did:plc:ana', handle: 'ana.example' },
    reason: 'mention',
    record: { $type: 'app.bsky.feed.post', text: `Mention ${number}`, createdAt: at },
    indexedAt: at,
  }
}

t.setTimeout(240_000)
t.test('a worker killed in the middle of polls and history loses nothing and doubles nothing', async t => {
  const { db, url } = await testDatabase(t)
  const { inbox_id, workspace_id } = await firstWorkspace(db)
  // Thirty days. The first poll reads the first week of them, the backfill four weeks.
  const network = await startBluesky(t, 720)
  const now = new Date()
  const id = newId(now)
  const identity = { did: 'did:plc:brand', handle: 'brand.example', identifier: 'brand.example' }
  const tokens = { accessJwt: 'a', refreshJwt: 'r', pds_url: network.url, service_url: network.url }
  const sealed = (value: unknown) => seal(TEST_SECRET_KEY, channelContext({ workspace_id, id }), value)
  await db.inWorkspace(workspace_id, async trx => {
    await insertChannel(trx, {
      id,
      inbox_id,
      kind: 'bluesky',
      name: 'Bluesky',
      external_id: identity.did,
      status: 'active',
      settings: JSON.stringify({ service_url: network.url }),
      credentials_sealed: sealed({ identifier: identity.identifier, app_password: 'secret' }),
      session_sealed: sealed({ ...identity, ...tokens }),
      next_poll_at: now,
      connected_at: now,
      created_at: now,
    })
    await startBackfill(trx, { channel_id: id, since: new Date(now.getTime() - 28 * 24 * HOUR_MS) }, SYSTEM, now)
  })
  const run = <T>(work: Parameters<typeof db.inWorkspace<T>>[1]) => db.inWorkspace(workspace_id, work)
  const backfill = async () => (await run(trx => findLatestBackfill(trx, id)))!
  const channel = async () => (await run(trx => findChannel(trx, id)))!
  const longDue = () => new Date(Date.now() - 15_000)
  /** Pauses are not worth waiting for here. A turn in progress is left alone. */
  const skipPauses = () =>
    run(async trx => {
      await trx.updateTable('backfills').set({ next_page_at: longDue() }).execute()
      await trx.updateTable('channels').set({ next_poll_at: longDue() }).where('poll_turn', 'is', null).execute()
    })
  const startWorker = () => startService(t, 'worker', serviceEnvironment(url, { kind: 'postgres', url }))

  // In the middle of the first poll, then in the middle of the history.
  for (const hangAt of [60, 300]) {
    Object.assign(network, { hangAt, hanging: false })
    const worker = startWorker()
    await until(
      `the network is asked for what begins at ${hangAt}`,
      async () => {
        await skipPauses()
        return network.hanging
      },
      PATIENCE_MS,
    )
    await worker.kill()
    const { poll_turn, next_poll_at } = await channel()
    t.ok(poll_turn && next_poll_at!.getTime() - Date.now() > 60_000, 'the dead have their turn for a while')
    network.hangAt = -1
    await run(trx => updateChannel(trx, id, { next_poll_at: longDue() }))
  }
  startWorker()
  await until(
    'the history is read',
    async () => {
      await skipPauses()
      return (await backfill()).state === 'done'
    },
    PATIENCE_MS,
  )
  const expected = 28 * 24
  const ledger = await run(trx => trx.selectFrom('inbound_events').select(['dedup_key', 'source']).execute())
  t.ok(ledger.length >= expected && ledger.length <= expected + 1, `${ledger.length} of ${expected} mentions`)
  t.same(new Set(ledger.map(row => row.source)), new Set(['poll', 'backfill']))
  await until('all of it is in the inbox', async () => {
    const messages = await run(trx => trx.selectFrom('messages').select('external_id').execute())
    t.ok(new Set(messages.map(row => row.external_id)).size === messages.length)
    return messages.length === ledger.length
  })
  const { pages, events } = await backfill()
  t.equal(pages, Math.floor(expected / PAGE) + 1, 'no page counts twice')
  t.equal(events, ledger.filter(row => row.source === 'backfill').length)
})
