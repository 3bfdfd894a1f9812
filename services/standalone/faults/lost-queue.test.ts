import { setTimeout as delay } from 'node:timers/promises'
import { FaultProxy, onBothBackends, ownRedis, scenario } from '@parley/testing'
import { Redis } from 'ioredis'
import pg from 'pg'
import t, { type Test } from 'tap'
import { type Backend, eventually, openWorld } from './world.ts'

/** Runs with queues that a test may destroy: a Redis of its own, or the tables of its own database. */
async function onOwnQueues(
  t: Test,
  run: (t: Test, backend: (url: string) => Backend, forget: (url: string) => Promise<void>) => Promise<void>,
) {
  await onBothBackends(t, async (t, backend) => {
    if (backend('postgres:').kind === 'postgres') return run(t, backend, truncateQueues)
    const redis = (await ownRedis(t))!
    return run(
      t,
      () => ({ kind: 'redis', url: redis.url }),
      () => flush(redis.url),
    )
  })
}

async function truncateQueues(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('truncate bullmq.job cascade')
  await client.end()
}

async function flush(url: string): Promise<void> {
  const redis = new Redis(url)
  await redis.flushall()
  redis.disconnect()
}

await scenario(
  t,
  'flushed-queue',
  'a queue that forgets everything while messages come in loses none',
  async (t, seed) => {
    await onOwnQueues(t, async (t, backend, forget) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      const shop = await world.addShop('shop')
      world.openWorker()
      const posted = world.post(shop, { messages: 800 }, { shuffle: true, max_events: 10 })
      for (const share of [0.3, 0.5, 0.7]) {
        await eventually('that much is through', async () => world.acknowledged('shop') > 800 * share)
        await forget(world.url)
      }
      await posted
      await forget(world.url)
      await world.drained()
      await world.check(t)
    })
  },
)

await scenario(
  t,
  'flushed-and-killed',
  'a queue that forgets everything while its workers are killed loses none',
  async (t, seed) => {
    await onOwnQueues(t, async (t, backend, forget) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      const shop = await world.addShop('shop')
      const posted = world.post(shop, { messages: 400 }, { repeated: 0.2, max_events: 10, pause_ms: 100 })
      for (let kills = 0; kills < 2; kills += 1) {
        const worker = world.openWorker()
        await eventually('it works', async () => worker.output().includes('"msg":"working"'))
        await forget(world.url)
        await worker.kill()
      }
      await posted
      await forget(world.url)
      world.openWorker()
      await world.drained()
      await world.check(t)
    })
  },
)

await scenario(
  t,
  'cut-queue',
  'connections to the queue that are cut again and again cost nothing',
  async (t, seed) => {
    await onBothBackends(t, async (t, backendOf) => {
      const world = await openWorld(t, { seed, backend: backendOf })
      const { REDIS_URL = world.url } = world.env
      const proxy = await FaultProxy.start(t, REDIS_URL)
      const through = proxy.through(REDIS_URL)
      const overrides: Record<string, string> = world.env.REDIS_URL
        ? { REDIS_URL: through }
        : { DATABASE_DIRECT_URL: through }
      const api = await world.openApi(overrides)
      const worker = world.openWorker(overrides)
      const shop = await world.addShop('shop')
      await world.post(shop, { messages: 50, name: 'before' }, { max_events: 10 })
      await world.drained()
      const usual = proxy.open
      let posting = true
      const posted = world.post(shop, { messages: 400 }, { max_events: 10, pause_ms: 250 }).finally(() => {
        posting = false
      })
      while (posting) {
        proxy.cutAll()
        const accepted = proxy.accepted
        await eventually('somebody came back', async () => proxy.accepted > accepted)
        await delay(400)
      }
      await posted
      await world.drained()
      for (const { output } of [api, worker]) t.notMatch(output(), /MaxListenersExceeded/, 'no listener is left behind')
      await eventually('no more connections are open than before', async () => proxy.open <= usual + 4)
      t.equal(worker.process.exitCode, null, 'the worker lives')
      t.equal(api.process.exitCode, null, 'the API lives')
      await world.check(t)
    })
  },
)
