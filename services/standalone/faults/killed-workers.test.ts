import { below, FaultProxy, onBothBackends, scenario, seededRandom } from '@parley/testing'
import t from 'tap'
import { eventually, openWorld } from './world.ts'

await scenario(
  t,
  'killed-workers',
  'workers killed again and again while messages come in lose none and double none',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      const shop = await world.addShop('shop')
      let posting = true
      const posted = world
        .post(
          shop,
          { messages: 1000, same_times: false },
          { shuffle: true, repeated: 0.1, max_events: 40, pause_ms: 200 },
        )
        .finally(() => {
          posting = false
        })
      const random = seededRandom(seed)
      let kills = 0
      while (posting || kills < 3) {
        const worker = world.openWorker()
        await eventually('it works', async () => worker.output().includes('"msg":"working"'))
        await new Promise(resolve => setTimeout(resolve, below(random, 1500)))
        await worker.kill()
        kills += 1
      }
      await posted
      t.comment(`${kills} workers were killed`)
      world.openWorker()
      await world.drained()
      await world.check(t)
    })
  },
)

await scenario(
  t,
  'killed-sweep',
  'a worker killed in the middle of its sweep leaves the rest to the next sweep',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      const shops = [await world.addShop('north'), await world.addShop('south')]
      for (const shop of shops) await world.post(shop, { messages: 100 })
      const database = await FaultProxy.start(t, world.url)
      for (let kills = 0; kills < 3; kills += 1) {
        const swept = database.trap({ direction: 'up', pattern: 'with recursive pending', effect: 'hang' })
        const worker = world.openWorker({
          DATABASE_URL: database.through(world.url),
          DATABASE_DIRECT_URL: world.url,
          WORKER_QUEUES: 'housekeeping',
        })
        await swept
        await worker.kill()
      }
      t.equal((await world.ledger('pending')).length > 0, true, 'nobody else worked on them')
      world.openWorker()
      await world.drained()
      await world.check(t)
    })
  },
)
