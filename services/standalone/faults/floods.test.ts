import { readFileSync } from 'node:fs'
import { FaultProxy, onBothBackends, scenario } from '@parley/testing'
import t from 'tap'
import { eventually, openWorld, type World } from './world.ts'

const MAX_MEMORY_KB = 700_000

await scenario(
  t,
  'noisy-tenant',
  'a channel with ten messages is not kept waiting by others with thousands',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend })
      await world.openApi()
      const noisy = []
      for (let index = 0; index < 8; index += 1) noisy.push(await world.addShop(`noisy-${index}`))
      const quiet = await world.addShop('quiet')
      for (const shop of noisy) await world.post(shop, { messages: 1000 })
      world.openWorker()
      await eventually('the flood is being worked on', async () => (await world.countMessages()) > 0)
      await world.post(quiet, { messages: 10, edited: 0, deleted: 0 })
      const left = await eventually('the quiet channel is done', async () => {
        const pending = await world.ledger('pending')
        return pending.every(row => row.channel_id !== quiet.id) && { noisy: pending.length }
      })
      t.ok(left.noisy > 0, `the flood still had ${left.noisy} events to go`)
      await world.drained()
      await world.check(t)
    })
  },
)

/** An API whose database is far away, so that a flood is more than it can take. */
async function openSlowWorld(t: Parameters<World['check']>[0], seed: number) {
  const world = await openWorld(t, { seed, backend: url => ({ kind: 'postgres', url }) })
  const database = await FaultProxy.start(t, world.url)
  const api = await world.openApi({ DATABASE_URL: database.through(world.url), DATABASE_DIRECT_URL: world.url })
  const flooded = await world.addShop('flooded')
  const other = await world.addShop('other')
  await world.post(flooded, { messages: 5, name: 'warm' })
  await world.post(other, { messages: 5, name: 'warm-too' })
  const worker = world.openWorker()
  database.set({ kind: 'delay', ms: 150 })
  return { world, api, worker, database, flooded, other }
}

const requests = ({ network }: World, channel: string) =>
  network.record().flatMap(entry => (entry.kind === 'request' && entry.channel === channel ? [entry] : []))

const memoryOf = (pid: number) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1])

await scenario(
  t,
  'overload',
  'more than the API can take is refused with a time to come back, and nothing else suffers',
  async (t, seed) => {
    const { world, api, worker, database, flooded } = await openSlowWorld(t, seed)
    const posted = world.post(flooded, { messages: 1500 }, { max_events: 1, concurrency: 300, tries: 2 })
    await eventually('the flood is on', async () => requests(world, 'flooded').length > 50)
    t.equal((await world.admin.get('/healthz')).status, 200, 'the process is alive')
    await posted
    const answers = requests(world, 'flooded')
    const others = answers.filter(({ status }) => ![202, 429, 503].includes(status))
    t.same(others.slice(0, 5), [], 'every request was answered: stored, or come back')
    const bare = answers.filter(({ status, retry_after }) => status !== 202 && !retry_after)
    t.same(bare.slice(0, 5), [], 'every refusal says when to come back')
    t.comment(`${answers.filter(({ status }) => status === 202).length} of ${answers.length} were stored`)
    if (process.platform === 'linux') {
      for (const { process: running } of [api, worker])
        t.ok(memoryOf(running.pid!) < MAX_MEMORY_KB, 'memory is bounded')
    }
    database.set({ kind: 'pass' })
    await world.post(flooded, { messages: 50, name: 'later' })
    await world.drained()
    await world.check(t)
  },
)

await scenario(t, 'flooded-channel', 'a flood on one channel leaves room for the others', async (t, seed) => {
  const { world, database, flooded, other } = await openSlowWorld(t, seed)
  const posted = world.post(flooded, { messages: 1500 }, { max_events: 1, concurrency: 300, tries: 1 })
  await eventually('the flood is on', async () => requests(world, 'flooded').length > 50)
  const before = requests(world, 'other').length
  await world.post(other, { messages: 10, edited: 0, deleted: 0 }, { max_events: 1, concurrency: 1 })
  const refused = requests(world, 'other')
    .slice(before)
    .filter(({ status }) => status !== 202)
  t.same(refused.slice(0, 5), [], 'the other channel was never refused')
  await posted
  database.set({ kind: 'pass' })
  await world.drained()
  await world.check(t)
})
