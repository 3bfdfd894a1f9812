import { setTimeout as delay } from 'node:timers/promises'
import { below, onBothBackends, ownPostgres, scenario, seededRandom } from '@parley/testing'
import pg from 'pg'
import t, { type Test } from 'tap'
import { eventually, openWorld, type World } from './world.ts'

/** Connections of services carry this name, so that those of the test are spared. */
const VICTIM = 'parley-victim'

const asVictims = (url: string) => ({ DATABASE_URL: `${url}?application_name=${VICTIM}` })

async function connectAlone(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.end())
  return client
}

/** What senders were told meanwhile: it is stored, or come back; nothing else. */
function checkAnswers(t: Test, { network }: World): void {
  const others = network
    .record()
    .flatMap(entry => (entry.kind === 'request' && ![202, 503].includes(entry.status) ? [entry] : []))
  t.same(others.slice(0, 5), [], 'every request was answered, with 202 or with 503')
  const bare = network
    .record()
    .flatMap(entry => (entry.kind === 'request' && entry.status === 503 && !entry.retry_after ? [entry] : []))
  t.same(bare.slice(0, 5), [], 'every refusal says when to come back')
}

await scenario(
  t,
  'postgres-restart',
  'a PostgreSQL that restarts under load loses nothing that was acknowledged',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const database = await ownPostgres(t)
      const world = await openWorld(t, { seed, backend, database })
      const api = await world.openApi()
      const worker = world.openWorker()
      const shop = await world.addShop('shop')
      const posted = world.post(shop, { messages: 600 }, { shuffle: true, max_events: 10, pause_ms: 50 })
      for (const share of [0.2, 0.5]) {
        await eventually('that much is through', async () => world.acknowledged('shop') > 600 * share)
        await database.restart()
      }
      await posted
      await world.drained()
      checkAnswers(t, world)
      t.equal(api.process.exitCode, null, 'the API lives')
      t.equal(worker.process.exitCode, null, 'the worker lives')
      await world.check(t)
    })
  },
)

await scenario(
  t,
  'cut-connections',
  'connections that PostgreSQL ends in the middle of anything leave nothing half done',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend, env: asVictims })
      const api = await world.openApi()
      const worker = world.openWorker()
      const shop = await world.addShop('shop')
      const client = await connectAlone(t, world.url)
      const random = seededRandom(seed)
      let posting = true
      const posted = world
        .post(shop, { messages: 600 }, { shuffle: true, max_events: 10, pause_ms: 150 })
        .finally(() => {
          posting = false
        })
      let ended = 0
      while (posting || ended < 20) {
        const { rows } = await client.query<{ pid: number }>(
          `select pid from pg_stat_activity where application_name = $1 and datname = current_database()
         order by (state = 'idle'), pid`,
          [VICTIM],
        )
        // Rather one that is in the middle of something.
        const victim = rows[below(random, Math.min(rows.length, 3))]
        if (victim) await client.query('select pg_terminate_backend($1)', [victim.pid])
        if (victim) ended += 1
        await delay(20 + below(random, 100))
      }
      await posted
      t.comment(`${ended} connections were ended`)
      await world.drained()
      checkAnswers(t, world)
      t.equal(api.process.exitCode, null, 'the API lives')
      t.equal(worker.process.exitCode, null, 'the worker lives')
      await world.check(t)
    })
  },
)

await scenario(
  t,
  'no-free-connection',
  'without a free connection the API says so at once, lives, and recovers',
  async (t, seed) => {
    await onBothBackends(t, async (t, backend) => {
      const world = await openWorld(t, { seed, backend, env: asVictims })
      const api = await world.openApi()
      const worker = world.openWorker()
      const shop = await world.addShop('shop')
      await world.post(shop, { messages: 20 })
      const client = await connectAlone(t, world.url)
      const name = new URL(world.url).pathname.slice(1)
      await client.query(`alter database ${name} connection limit 0`)
      await client.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [VICTIM])
      const refused = await world.admin.get('/v1/conversations')
      t.equal(refused.status, 503)
      t.ok(Number(refused.headers.get('retry-after')) > 0, 'with a time to come back')
      t.match(refused.body, { status: 503, type: /unavailable$/ })
      const result = await world.post(shop, { messages: 3, name: 'refused' }, { tries: 1 })
      t.equal(result.acknowledged, 0, 'nothing is acknowledged that cannot be stored')
      t.equal((await world.admin.get('/healthz')).status, 200, 'the process is alive')
      t.equal((await world.admin.get('/readyz')).status, 503, 'and not ready')
      await client.query(`alter database ${name} connection limit -1`)
      await world.post(shop, { messages: 100, name: 'later' }, { max_events: 10 })
      await world.drained()
      checkAnswers(t, world)
      t.equal(api.process.exitCode, null, 'the API lives')
      t.equal(worker.process.exitCode, null, 'the worker lives')
      await world.check(t)
    })
  },
)
