import { FaultProxy, ownRedis, type RedisServer, scenario } from '@parley/testing'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { eventually, openWorld, type World } from './world.ts'

const NO_REDIS = 'not run: install Redis with apt-get install redis-server'

/** A Redis that the test may fill and kill. */
async function onOwnRedis(t: Test, run: (t: Test, redis: RedisServer) => Promise<void>): Promise<void> {
  const redis = await ownRedis(t)
  await t.test('queues in Redis', { skip: redis ? false : NO_REDIS }, t => run(t, redis!))
}

/** Everybody is promised an answer within a second, at any hour. */
async function promiseAnswers({ admin, inbox_id }: World) {
  const weekly = [1, 2, 3, 4, 5, 6, 7].map(weekday => ({ weekday, opens: '00:00', closes: '24:00' }))
  const calendar = await admin.post('/v1/calendars', { name: 'Always', definition: { time_zone: 'Etc/UTC', weekly } })
  const policy = { name: 'At once', calendar_id: calendar.body.id, targets: { first_response: { seconds: 1 } } }
  const { body } = await admin.post('/v1/sla/policies', policy)
  await admin.patch(`/v1/inboxes/${inbox_id}`, { sla_policy_id: body.id })
}

const readClocks = ({ db, workspace_id }: World) =>
  db.inWorkspace(workspace_id, trx => trx.selectFrom('sla_clocks').select(['state', 'breached_at']).execute())

const countBreaches = async ({ db, workspace_id }: World) => {
  const rows = await db.inWorkspace(workspace_id, trx =>
    trx.selectFrom('events').select('id').where('type', '=', 'sla.breached').execute(),
  )
  return rows.length
}

await scenario(
  t,
  'redis-restart',
  'a Redis that is killed and comes back empty loses no message and no deadline',
  (t, seed) =>
    onOwnRedis(t, async (t, redis) => {
      const world = await openWorld(t, { seed, backend: () => ({ kind: 'redis', url: redis.url }) })
      await world.openApi()
      await promiseAnswers(world)
      const shop = await world.addShop('shop')
      world.openWorker()
      const posted = world.post(shop, { messages: 600 }, { shuffle: true, max_events: 10 })
      await eventually('half is through', async () => world.acknowledged('shop') > 300)
      await redis.kill()
      const before = world.acknowledged('shop')
      await eventually('the API goes on without it', async () => world.acknowledged('shop') > before)
      await redis.restart()
      await posted
      await world.drained()
      const clocks = await eventually('every deadline has passed', async () => {
        const all = await readClocks(world)
        return all.every(clock => clock.state !== 'running' || clock.breached_at) && all
      })
      const breached = clocks.filter(clock => clock.breached_at).length
      t.ok(breached > 100)
      t.equal(await countBreaches(world), breached, 'each deadline was missed once')
      await world.check(t)
    }),
)

await scenario(
  t,
  'redis-absent',
  'without Redis the API reads and stores, says that it is degraded, and heals',
  (t, seed) =>
    onOwnRedis(t, async (t, redis) => {
      await redis.kill()
      const world = await openWorld(t, { seed, backend: () => ({ kind: 'redis', url: redis.url }) })
      await world.openApi()
      const worker = world.openWorker()
      const shop = await world.addShop('shop')
      await world.post(shop, { messages: 60 })
      const ready = await world.admin.get('/readyz')
      t.equal(ready.status, 200, 'it takes traffic')
      t.match(ready.body, { status: 'degraded', queue: 'unavailable' })
      t.equal((await world.admin.get('/v1/conversations')).status, 200)
      await redis.restart()
      await eventually('it is well again', async () => (await world.admin.get('/readyz')).body.status === 'ok')
      await world.drained()
      t.equal(worker.process.exitCode, null, 'the worker waited for it')
      await world.check(t)
    }),
)

await scenario(t, 'redis-full', 'a Redis without memory refuses hints, and no sender is refused', (t, seed) =>
  onOwnRedis(t, async (t, redis) => {
    const world = await openWorld(t, { seed, backend: () => ({ kind: 'redis', url: redis.url }) })
    const api = await world.openApi()
    const shop = await world.addShop('shop')
    world.openWorker()
    const client = new Redis(redis.url)
    t.teardown(() => client.disconnect())
    await client.config('SET', 'maxmemory', '1')
    await world.post(shop, { messages: 300 }, { max_events: 10 })
    t.match(api.output(), /"msg":"hint lost"/, 'hints were refused')
    const refused = world.network.record().filter(entry => entry.kind === 'request' && entry.status !== 202)
    t.same(refused, [], 'every request was answered with 202')
    await client.config('SET', 'maxmemory', '0')
    await world.drained()
    await world.check(t)
  }),
)

await scenario(t, 'redis-evicts', 'a Redis that evicts is warned of, and loses no message', (t, seed) =>
  onOwnRedis(t, async (t, redis) => {
    const client = new Redis(redis.url)
    t.teardown(() => client.disconnect())
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru')
    const world = await openWorld(t, { seed, backend: () => ({ kind: 'redis', url: redis.url }) })
    await world.openApi()
    const shop = await world.addShop('shop')
    const worker = world.openWorker()
    await eventually('the worker warns', async () => worker.output().includes('noeviction'))
    const posted = world.post(shop, { messages: 300 }, { max_events: 10 })
    const [, used] = /used_memory:(\d+)/.exec(await client.info('memory'))!
    await client.config('SET', 'maxmemory', String(Number(used) + 2_000_000))
    const filler = 'x'.repeat(10_000)
    for (let index = 0; index < 400; index += 1) await client.set(`filler-${index}`, filler)
    await posted
    await world.drained()
    await world.check(t)
  }),
)

await scenario(t, 'redis-hangs', 'a Redis that hangs holds up no answer', (t, seed) =>
  onOwnRedis(t, async (t, redis) => {
    const proxy = await FaultProxy.start(t, redis.url)
    const world = await openWorld(t, { seed, backend: () => ({ kind: 'redis', url: proxy.through(redis.url) }) })
    await world.openApi()
    const shop = await world.addShop('shop')
    world.openWorker()
    await world.post(shop, { messages: 20 })
    await world.drained()
    proxy.set({ kind: 'hang' })
    await world.post(shop, { messages: 100, name: 'later' }, { max_events: 10 })
    t.equal((await world.admin.get('/v1/conversations')).status, 200)
    t.match((await world.admin.get('/readyz')).body, { status: 'degraded' })
    proxy.set({ kind: 'pass' })
    await world.drained()
    await world.check(t)
  }),
)
