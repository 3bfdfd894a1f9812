import { FaultProxy, OWN_LOCKS, onBothBackends, scenario, startService, testDatabase } from '@parley/testing'
import pg from 'pg'
import t from 'tap'
import { eventually, openWorld } from './world.ts'

await scenario(
  t,
  'killed-api',
  'an API killed after its commit and before its answer has stored the request, and the repeat says so',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      const database = await FaultProxy.start(t, world.url)
      const throughProxy = { DATABASE_URL: database.through(world.url), DATABASE_DIRECT_URL: world.url }
      const api = await world.openApi(throughProxy)
      const shop = await world.addShop('shop')
      world.openWorker()
      // PostgreSQL says COMMIT, and the API never hears it.
      const committed = database.trap({
        direction: 'down',
        // The ids of the messages travel with the statement that stores them.
        armedBy: `${shop.name}-${seed}-`,
        pattern: 'COMMIT',
        effect: 'hang',
      })
      const posted = world.post(shop, { messages: 30 }, { concurrency: 1, max_events: 10 })
      await committed
      await api.kill()
      const stored = await eventually('the commit is visible', async () => {
        const rows = await world.ledger()
        return rows.length > 0 && rows
      })
      t.equal(world.acknowledged('shop'), 0, 'the sender was not told')
      await world.openApi(throughProxy)
      await posted
      await world.drained()
      t.ok(stored.every(row => row.channel_id === shop.id))
      await world.check(t)
    })
  },
)

await scenario(t, 'api-told-to-end', 'an API that is asked to end answers what it has accepted', async (t, seed) => {
  await onBothBackends(t, async (t, backend) => {
    const world = await openWorld(t, { seed, backend })
    const api = await world.openApi()
    const shop = await world.addShop('shop')
    const posted = world.post(shop, { messages: 400 }, { concurrency: 8, max_events: 3 })
    await eventually('requests come in', async () => world.acknowledged('shop') > 40)
    // Requests stand in their transactions while the signal comes.
    const blocker = new pg.Client({ connectionString: world.url })
    await blocker.connect()
    t.teardown(() => blocker.end())
    await blocker.query('begin; lock table inbound_events in share mode')
    await eventually('requests wait for the table', async () => {
      const { rows } = await blocker.query(
        `select from ${OWN_LOCKS} where relation = 'inbound_events'::regclass and not granted`,
      )
      return rows.length > 0
    })
    api.process.kill('SIGTERM')
    await eventually('it closes', async () => api.output().includes('"msg":"closing"'))
    const ready = await fetch(`${api.url}/readyz`).then(
      response => response.status,
      () => 503,
    )
    t.equal(ready, 503, 'it is not ready any more')
    await blocker.query('rollback')
    t.equal(await api.exited, 0)
    await world.openApi()
    await posted
    // One that is stored and not answered comes again.
    const doubled = await world.db.inWorkspace(world.workspace_id, trx =>
      trx.selectFrom('inbound_duplicates').selectAll().execute(),
    )
    t.same(doubled, [], 'no request was stored and left without an answer')
    world.openWorker()
    await world.drained()
    await world.check(t)
  })
})

await scenario(t, 'odd-signals', 'signals at the wrong moment end a process cleanly', async (t, seed) => {
  const { url } = await testDatabase(t)
  const world = await openWorld(t, { seed, backend: given => ({ kind: 'postgres', url: given }) })

  await t.test('twice while it works', async t => {
    const worker = world.openWorker()
    await eventually('it works', async () => worker.output().includes('"msg":"working"'))
    worker.process.kill('SIGTERM')
    worker.process.kill('SIGTERM')
    t.equal(await worker.exited, 0)
    t.notMatch(worker.output(), /"level":(50|60)|unhandled/)
  })

  await t.test('while it starts', async t => {
    for (const name of ['api', 'worker'] as const) {
      const service = startService(t, name, { ...world.env, PORT: '0' })
      service.process.kill('SIGINT')
      await service.exited
      t.notMatch(service.output(), /"level":(50|60)|at .*\.js/, `${name} says nothing of an error`)
    }
    await world.openApi()
    t.equal((await world.admin.get('/v1/inboxes')).status, 200, 'the next one starts')
  })

  await t.test('while it migrates', async t => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    t.teardown(() => client.end())
    await client.query("delete from schema_migrations where name like '0008%'")
    // It waits in the middle of a migration: here for the lock that lets one migrate at a time, or for a table.
    await client.query('begin; lock table messages in access exclusive mode')
    const migrating = startService(t, 'migrate', { ...world.env, DATABASE_URL: url, DATABASE_DIRECT_URL: url })
    await eventually('it waits for the table', async () => {
      const { rows } = await client.query(
        `select from ${OWN_LOCKS} where relation = 'messages'::regclass and not granted`,
      )
      return rows.length > 0 || migrating.process.exitCode !== null
    })
    migrating.process.kill('SIGTERM')
    await migrating.exited
    await client.query('rollback')
    await eventually('no lock is left', async () => {
      const { rows } = await client.query(`select from ${OWN_LOCKS} where locktype = 'advisory'`)
      return rows.length === 0
    })
    const { rows } = await client.query("select from schema_migrations where name like '0008%'")
    t.equal(rows.length, 0, 'nothing of it is kept')
  })
})
