import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { appendEvents, type EventRow, listEventsAfter, listFeedStates, openDatabase, sqlState } from '@parley/db'
import { DomainError, SYSTEM } from '@parley/domain'
import { has, until } from '@parley/testing'
import { sql } from 'kysely'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { FeedConsumer } from '../src/feed/consumer.ts'
import { Feeds } from '../src/feed/feeds.ts'
import { fakeConnector, type OpenWorker, openWorker } from './processing.ts'

const TABLE = `
  create table handled (
    workspace_id uuid not null default current_workspace(), n bigint generated always as identity,
    event_id uuid not null, xact xid8 not null, seq bigint not null);
  grant select, insert on handled to parley_app`

/** A worker's context whose consumers write into a table of the test what they are given. */
async function setUp(t: Test) {
  const worker = await openWorker(t, fakeConnector())
  const client = new pg.Client({ connectionString: worker.url })
  await client.connect()
  t.teardown(() => client.end())
  await client.query(TABLE)
  const append = (count: number, data: Record<string, unknown> = {}) =>
    worker.run(trx =>
      appendEvents(
        trx,
        Array.from({ length: count }, () => eventOf(data)),
      ),
    )
  const handled = () =>
    worker.run(async trx => (await sql<EventRow>`select * from handled order by n`.execute(trx)).rows)
  const logged = () =>
    worker.run(trx => trx.selectFrom('events').selectAll().orderBy('xact').orderBy('seq').execute()) as Promise<
      EventRow[]
    >
  return { ...worker, append, handled, logged }
}

const eventOf = (data: Record<string, unknown>) => ({
  type: 'conversation.updated' as const,
  at: new Date('2026-03-02T09:00:00Z'),
  actor: SYSTEM,
  data,
})

const writer = (fields: Partial<FeedConsumer> = {}): FeedConsumer => ({
  name: 'writer',
  from: 'beginning',
  batch: 4,
  pace: 'at_once',
  handle: async (trx, events) => {
    for (const { id, xact, seq, data } of events) {
      if ((data as { poison?: boolean } | null)?.poison) throw new Error('this one cannot be handled')
      await sql`insert into handled (event_id, xact, seq) values (${id}, ${xact}::xid8, ${seq})`.execute(trx)
    }
    return false
  },
  ...fields,
})

/** Runs feeds round after round, as the worker's loops do. */
function start(t: Test, { ctx }: Pick<OpenWorker, 'ctx'>, consumers: FeedConsumer[]) {
  const feeds = new Feeds(ctx, consumers)
  let stopped = false
  const running = (async () => {
    while (!stopped) {
      await feeds.sweep()
      await feeds.tick()
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  })()
  const stop = async () => {
    stopped = true
    await running
    await feeds.close()
  }
  t.teardown(stop)
  return { feeds, stop }
}

const ids = (rows: { event_id?: string; id: string }[]) => rows.map(row => row.event_id ?? row.id)

t.test('a consumer is given every event once, in the order of the log, also what came before it', async t => {
  const world = await setUp(t)
  await world.append(9)
  start(t, world, [writer()])
  for (let round = 0; round < 20; round += 1) await world.append(round % 3)
  const all = await world.logged()
  await until('all are handled', async () => (await world.handled()).length >= all.length)
  t.same(ids((await world.handled()) as never), ids(all))
})

t.test('an event that stands alone has a page of its own, and the others keep their order', async t => {
  const world = await setUp(t)
  const pages: number[] = []
  const { handle } = writer()
  const consumer = writer({
    alone: ({ data }) => (data as { alone?: boolean }).alone === true,
    handle: async (trx, events, ...given) => {
      pages.push(events.length)
      return handle(trx, events, ...given)
    },
  })
  await world.append(3)
  await world.append(2, { alone: true })
  await world.append(4)
  const all = await world.logged()
  start(t, world, [consumer])
  await until('all are handled', async () => (await world.handled()).length >= all.length)
  t.same(ids((await world.handled()) as never), ids(all))
  const before = all.length - 6
  t.same(pages.slice(-3), [1, 1, 4])
  t.equal(
    pages.slice(0, -3).reduce((sum, page) => sum + page, 0),
    before,
  )
})

t.test('a consumer that begins now is given nothing of the past, and all that follows', async t => {
  const world = await setUp(t)
  await world.append(5)
  await readable(world, (await world.logged()).length)
  start(t, world, [writer({ from: 'now' })])
  await until('it has its place', async () => (await world.run(listFeedStates)).length > 0)
  const before = (await world.logged()).length
  await world.append(3)
  await until('the new ones are handled', async () => (await world.handled()).length >= 3)
  t.same(ids((await world.handled()) as never), ids(await world.logged()).slice(before))
})

t.test('two workers share the work, and no event has its effect twice', async t => {
  const world = await setUp(t)
  const other = openDatabase({ url: world.url, poolSize: 4 })
  t.teardown(() => other.close())
  const running = [start(t, world, [writer()]), start(t, { ctx: world.contextOn(other) }, [writer()])]
  for (let round = 0; round < 40; round += 1) await world.append(1 + (round % 5))
  const all = await world.logged()
  await until('all are handled', async () => (await world.handled()).length >= all.length)
  for (const { stop } of running) await stop()
  t.same(ids((await world.handled()) as never), ids(all))
})

t.test('a process that is killed again and again skips nothing and doubles nothing', async t => {
  const world = await setUp(t)
  await world.append(400)
  const total = (await world.logged()).length
  const script = fileURLToPath(new URL('./feed-process.ts', import.meta.url))
  const begin = () => {
    const args = ['--import=tsx', '--conditions=parley-source', script]
    const child = spawn(process.execPath, args, { env: { ...process.env, DATABASE_URL: world.url }, stdio: 'ignore' })
    const ended = new Promise(resolve => child.once('exit', resolve))
    const kill = async () => {
      child.kill('SIGKILL')
      await ended
    }
    t.teardown(kill)
    return kill
  }
  let kills = 0
  for (let seen = 0; seen < total; ) {
    const kill = begin()
    const enough = Math.min(total, seen + 60)
    await until('some more are handled', async () => (await world.handled()).length >= enough, 60_000)
    await kill()
    kills += 1
    seen = (await world.handled()).length
  }
  t.ok(kills >= 3, `${kills} kills`)
  t.same(ids((await world.handled()) as never), ids(await world.logged()))
})

t.test('an event of a transaction that takes long is not passed by', async t => {
  const world = await setUp(t)
  start(t, world, [writer()])
  await until('the past is read', async () => {
    const [state] = await world.run(listFeedStates)
    return state?.unread.count === 0
  })
  const done = (await world.handled()).length
  let commit = () => {}
  const waiting = new Promise<void>(resolve => {
    commit = resolve
  })
  let written = () => {}
  const began = new Promise<void>(resolve => {
    written = resolve
  })
  const slow = world.run(async trx => {
    await appendEvents(trx, [eventOf({ slow: true })])
    written()
    await waiting
  })
  await began
  await world.append(3)
  // A worker with a wake-up from the three looks, and cannot know what stands before them.
  const { feeds, stop } = start(t, world, [writer()])
  await feeds.sweep()
  t.equal((await world.handled()).length, done, 'what came later waits for it')
  commit()
  await slow
  await until('all four are handled', async () => (await world.handled()).length >= done + 4)
  await stop()
  t.same(ids((await world.handled()) as never), ids(await world.logged()))
})

t.test('an event that cannot be handled is tried three times, set aside and logged; the others go on', async t => {
  const world = await setUp(t)
  await world.append(5)
  await world.append(1, { poison: true })
  await world.append(5)
  const [poisoned] = (await world.logged()).filter(({ data }) => (data as { poison?: boolean }).poison)
  const bystander = writer({
    name: 'bystander',
    handle: async () => false,
  })
  start(t, world, [writer(), bystander])
  await until('its first failure is on the place', async () => {
    const [state] = (await world.run(listFeedStates)).filter(({ consumer }) => consumer === 'writer')
    return state?.attempts === 1
  })
  t.equal((await world.handled()).at(-1)!.seq < poisoned!.seq, true, 'those before it are handled')
  await until('the bystander is through', async () => {
    const [state] = (await world.run(listFeedStates)).filter(({ consumer }) => consumer === 'bystander')
    return state?.unread.count === 0
  })
  // It is not tried before its time, however often anybody looks.
  const { feeds } = start(t, world, [writer()])
  for (let look = 0; look < 20; look += 1) await feeds.sweep()
  const attempts = async () => (await world.run(listFeedStates)).find(({ consumer }) => consumer === 'writer')!.attempts
  t.equal(await attempts(), 1)
  world.clock.now = new Date(world.clock.now.getTime() + 1_000)
  await until('the second try', async () => (await attempts()) === 2)
  world.clock.now = new Date(world.clock.now.getTime() + 5_000)
  const all = await until('everything else is handled', async () => {
    const rows = await world.logged()
    return (await world.handled()).length === rows.length - 1 && rows
  })
  const skipped = all.filter(({ type }) => type === 'feed.skipped')
  t.equal(skipped.length, 1)
  const failures = await world.run(trx => trx.selectFrom('feed_failures').selectAll().execute())
  t.equal(failures.length, 1)
  const reason = 'this one cannot be handled'
  has(t, failures, [{ consumer: 'writer', event_id: poisoned!.id, state: 'failed', attempts: 3, error: reason }])
  has(t, skipped[0]!.data, { failure_id: failures[0]!.id, consumer: 'writer', event_id: poisoned!.id, reason })
  t.same(ids((await world.handled()) as never), ids(all.filter(({ id }) => id !== poisoned!.id)))
})

t.test('what was set aside is handled after all when a person wants it, or waits for them again', async t => {
  const world = await setUp(t)
  let mended = false
  const consumer = writer({
    handle: async (trx, events, ...given) =>
      mended ? plain.handle(trx, events.map(healthy), ...given) : plain.handle(trx, events, ...given),
  })
  const plain = writer()
  const healthy = (event: EventRow) => ({ ...event, data: {} })
  await world.append(1, { poison: true })
  start(t, world, [consumer])
  const failure = () => world.run(trx => trx.selectFrom('feed_failures').selectAll().executeTakeFirst())
  await until('it is set aside', async () => {
    world.clock.now = new Date(world.clock.now.getTime() + 5_000)
    return failure()
  })
  const reopen = () => world.run(trx => trx.updateTable('feed_failures').set({ state: 'pending' }).execute())
  await reopen()
  await until('it has failed again', async () => (await failure())!.attempts === 4)
  t.equal((await failure())!.state, 'failed')
  mended = true
  await reopen()
  await until('it is done', async () => (await failure())!.state === 'done')
  const { event_id } = (await failure())!
  t.equal((await world.handled()).filter(row => (row as never as { event_id: string }).event_id === event_id).length, 1)
})

t.test('when the database refuses to serve, no event is blamed', async t => {
  const world = await setUp(t)
  await world.append(3)
  let refusals = 0
  const consumer = writer({
    handle: async (trx, events, ...given) => {
      if (refusals < 5) {
        refusals += 1
        // As a server that is shutting down does, or one whose disk is full.
        await sql`do $$ begin raise exception 'no' using errcode = '53100'; end $$`.execute(trx)
      }
      return plain.handle(trx, events, ...given)
    },
  })
  const plain = writer()
  start(t, world, [consumer])
  const all = await world.logged()
  await until('all are handled', async () => (await world.handled()).length >= all.length)
  t.equal(refusals, 5)
  t.equal((await world.run(trx => trx.selectFrom('feed_failures').select('id').execute())).length, 0)
})

t.test('a refusal of a handler is blamed on its event and not on the database', async t => {
  const world = await setUp(t)
  await world.append(1, { poison: true })
  const consumer = writer({
    handle: async () => {
      throw new DomainError('conflict', 'No.')
    },
  })
  start(t, world, [consumer])
  const [state] = await until('the failure is on the place', async () => {
    const states = await world.run(listFeedStates)
    return states[0]?.error ? states : undefined
  })
  has(t, state, { consumer: 'writer', attempts: 1, error: 'No.' })
})

/** Other databases of the server hold a reader up while they write. */
const readable = (world: Awaited<ReturnType<typeof setUp>>, count: number) =>
  until('the log can be read', async () => {
    const events = await world.run(trx => listEventsAfter(trx, { xact: '0', seq: 0 }, count))
    return events.length >= count
  })

t.test('a wake-up is enough: at once, or at the next tick for what is in no hurry', async t => {
  const world = await setUp(t)
  const listeners: ((workspace_id: string) => void)[] = []
  const wakeUps = { ...world.ctx.wakeUps, subscribe: (listener: (id: string) => void) => void listeners.push(listener) }
  const nothing = async () => false
  const patient = writer({ name: 'patient', pace: 'gently', handle: nothing })
  const feeds = new Feeds({ ...world.ctx, wakeUps }, [writer({ handle: nothing }), patient])
  t.teardown(() => feeds.close())
  const unread = async () =>
    new Map((await world.run(listFeedStates)).map(({ consumer, unread }) => [consumer, unread.count]))
  feeds.listen()
  await world.append(9)
  await readable(world, 9)
  for (const listener of listeners) listener(world.workspace_id)
  await until('the one at once is through', async () => (await unread()).get('writer') === 0)
  t.notOk((await unread()).has('patient'), 'the other one has not begun')
  await feeds.tick()
  await until('and then the other one', async () => (await unread()).get('patient') === 0)
})

t.test('closing waits for the page that is being handled, and begins no other', async t => {
  const world = await setUp(t)
  await world.append(9)
  await readable(world, 9)
  let handling = () => {}
  const began = new Promise<void>(resolve => {
    handling = resolve
  })
  const plain = writer()
  const feeds = new Feeds(world.ctx, [
    writer({
      handle: async (trx, events, ...given) => {
        handling()
        return plain.handle(trx, events, ...given)
      },
    }),
  ])
  await feeds.sweep()
  await began
  await feeds.close()
  const { length } = await world.handled()
  t.equal(length, 4, 'one page')
  await feeds.sweep()
  await feeds.tick()
  await feeds.close()
  t.equal((await world.handled()).length, length)
})

t.test('the lag of a consumer is the age of the oldest event it has not read', async t => {
  const world = await setUp(t)
  await world.append(1)
  const feeds = new Feeds(world.ctx, [writer()])
  await world.run(trx =>
    trx
      .insertInto('feed_cursors')
      .values({ consumer: 'writer', xact: '0', seq: 0, moved_at: world.clock.now })
      .execute(),
  )
  world.clock.now = new Date('2026-03-02T09:01:40Z')
  await feeds.sweep()
  const metrics = await world.ctx.metrics.registry.metrics()
  t.match(metrics, /^parley_feed_lag_seconds\{consumer="writer"\} 100$/m)
  await feeds.close()
})

t.test('the log stays closed to the system but for its places and times', async t => {
  const world = await setUp(t)
  const read = (column: string) =>
    world.db.asSystem(trx => sql`select ${sql.ref(column)} from events`.execute(trx)).then(() => 'read', sqlState)
  t.equal(await read('at'), 'read')
  t.equal(await read('data'), '42501')
})
