import { setTimeout as delay } from 'node:timers/promises'
import { type Connector, NetworkUnavailable } from '@parley/connectors'
import { type Channel, updateChannel } from '@parley/db'
import { has, until } from '@parley/testing'
import t, { type Test } from 'tap'
import { Listeners } from '../src/listening/listeners.ts'
import { at, fakeConnector, openWorker } from './processing.ts'

type Connection = { id: string; tell: () => void; end: (error?: Error) => void; stopped: boolean }

/** A network whose connections the test holds in its hands. */
async function openListening(t: Test) {
  const connections: Connection[] = []
  const listen: Connector['listen'] = (channel, context, tell) =>
    new Promise((resolve, reject) => {
      const end = (error?: Error) => (error ? reject(error) : resolve())
      const connection: Connection = { id: channel.id, tell, end, stopped: false }
      context.signal.addEventListener('abort', () => {
        connection.stopped = true
        resolve()
      })
      connections.push(connection)
    })
  const worker = await openWorker(t, fakeConnector({ listen, poll: () => Promise.reject(new Error('not now')) }))
  const { ctx, run, clock } = worker
  const listeners = () => {
    const created = new Listeners(ctx)
    t.teardown(() => created.close())
    return created
  }
  const advance = (seconds: number) => {
    clock.now = new Date(clock.now.getTime() + seconds * 1000)
  }
  const row = async ({ id }: Channel) =>
    (await run(trx => trx.selectFrom('channel_listeners').selectAll().where('channel_id', '=', id).executeTakeFirst()))!
  const open = () => connections.filter(({ stopped }) => !stopped)
  const notDue = (channel: Channel, change: Parameters<typeof updateChannel>[2] = {}) =>
    run(trx => updateChannel(trx, channel.id, { next_poll_at: at('20:00:00'), head_due_at: at('20:00:00'), ...change }))
  return { ...worker, connections, listeners, advance, row, open, notDue }
}

t.test('each channel is listened to by one worker, and by another one once that worker is gone', async t => {
  const { listeners, addChannel, connections, advance } = await openListening(t)
  await addChannel()
  await addChannel()
  await addChannel({ status: 'paused' })
  const [first, second] = [listeners(), listeners()]
  await Promise.all([first.round(), second.round()])
  t.equal(connections.length, 2)
  t.equal(first.count + second.count, 2)
  for (let rounds = 0; rounds < 5; rounds += 1) {
    advance(10)
    await first.round()
    await second.round()
  }
  t.equal(connections.length, 2, 'leases that are renewed stay where they are')

  const third = listeners()
  advance(14)
  await third.round()
  t.equal(third.count, 0)
  advance(2)
  await third.round()
  t.equal(third.count, 2, 'the others have not come back')
  await first.round()
  await second.round()
  await until('they have let go', async () => first.count + second.count === 0)
  t.equal(third.count, 2)
})

t.test('a worker that ends lets others listen at once', async t => {
  const { listeners, addChannel, open } = await openListening(t)
  await addChannel()
  const [first, second] = [listeners(), listeners()]
  await first.round()
  await first.close()
  t.equal(open().length, 0)
  await second.round()
  t.equal(second.count, 1)
})

t.test(
  'a channel that is paused, disabled or reconnected is let go, and listened to anew with what it has now',
  async t => {
    const { listeners, addChannel, advance, open, run, connections } = await openListening(t)
    const channel = await addChannel()
    const all = listeners()
    const changes = [
      [{ status: 'paused' }, { status: 'active' }],
      [{ status: 'disabled' }, { status: 'active' }],
      [
        { credentials_sealed: channel.credentials_sealed.subarray(1) },
        { credentials_sealed: channel.credentials_sealed },
      ],
      [{ settings: '{"server":"another"}' }, { settings: '{}' }],
    ] as const
    for (const [change, back] of changes) {
      await all.round()
      await until('it is listened to', async () => open().length === 1)
      await run(trx => updateChannel(trx, channel.id, change))
      const before = connections.length
      await all.round()
      await until('it is let go', async () => connections.slice(0, before).every(({ stopped }) => stopped))
      await run(trx => updateChannel(trx, channel.id, back))
      // One that was tried while its credentials could not be read is tried again later.
      await until('it is listened to anew', async () => {
        advance(1)
        await all.round()
        return open().length === 1
      })
    }
  },
)

t.test('news makes the poll due now, and a storm of it at most about once a second', async t => {
  const { listeners, addChannel, connections, notDue, channelNow, hints, clock, workspace_id } = await openListening(t)
  const channel = await addChannel()
  await notDue(channel)
  await listeners().round()
  const startedMs = performance.now()
  for (let storm = 0; storm < 20; storm += 1) {
    for (let news = 0; news < 100; news += 1) connections[0]!.tell()
    await delay(50)
  }
  await until('it is due', async () => (await channelNow(channel)).next_poll_at! <= clock.now)
  has(t, await channelNow(channel), { head_due_at: clock.now, next_poll_at: clock.now })
  await delay(1_500)
  const most = Math.ceil((performance.now() - startedMs) / 1_000) + 1
  t.ok(hints.length >= 2 && hints.length <= most, `${hints.length} hints, at most ${most}`)
  t.match(hints[0], { queue: 'poll', job: { workspace_id, channel_id: channel.id } })
})

t.test('news that comes while the channel is polled is told when that poll is over', async t => {
  const { listeners, addChannel, connections, notDue, channelNow, clock, hints } = await openListening(t)
  const channel = await addChannel()
  await notDue(channel, { poll_turn: '0192aaaa-0000-7000-8000-000000000001' })
  await listeners().round()
  connections[0]!.tell()
  await delay(100)
  t.same(hints, [])
  await notDue(channel, { poll_turn: null })
  await until('it is due', async () => (await channelNow(channel)).next_poll_at! <= clock.now)
  await until('it is hinted', async () => hints.length === 1)
})

t.test('news hastens no channel that its network or a failure holds back', async t => {
  const { listeners, addChannel, connections, notDue, channelNow } = await openListening(t)
  const quiet = await addChannel()
  const failing = await addChannel()
  await notDue(quiet, { resume_at: at('19:00:00') })
  await notDue(failing, { poll_failures: 2 })
  await listeners().round()
  for (const { tell } of connections) tell()
  await delay(300)
  for (const channel of [quiet, failing]) has(t, await channelNow(channel), { next_poll_at: at('20:00:00') })
})

t.test('connections that do not last are tried ever later, and never before the network said', async t => {
  const { listeners, addChannel, connections, row, advance, clock } = await openListening(t)
  const channel = await addChannel()
  const all = listeners()
  const pauses: number[] = []
  for (let tries = 1; tries <= 6; tries += 1) {
    await all.round()
    t.equal(connections.length, tries)
    connections.at(-1)!.end(new Error('the connection broke'))
    await until('it is let go', async () => all.count === 0)
    const { retry_at, failures } = await row(channel)
    t.equal(failures, tries)
    pauses.push(retry_at!.getTime() - clock.now.getTime())
    await all.round()
    t.equal(connections.length, tries, 'not before its time')
    advance(600)
  }
  for (const [index, pause] of pauses.entries()) {
    const base = 1_000 * 2 ** (index + 1)
    t.ok(pause >= base * 0.5 && pause <= base * 1.5, `${pause} ms`)
  }
  await all.round()
  const tomorrow = new Date(clock.now.getTime() + 24 * 3_600_000)
  connections.at(-1)!.end(new NetworkUnavailable('no stream here', tomorrow))
  await until('it is let go', async () => all.count === 0)
  has(t, await row(channel), { retry_at: tomorrow })
})

t.test('a worker whose database is away for longer than a lease listens no more', async t => {
  const { ctx, listeners, addChannel, open } = await openListening(t)
  await addChannel()
  const all = listeners()
  let monotonicMs = 0
  ctx.monotonicMs = () => monotonicMs
  await all.round()
  const { inWorkspace } = ctx.db
  ctx.db.inWorkspace = () => Promise.reject(new Error('the database is away'))
  await t.rejects(all.round())
  t.equal(open().length, 1)
  monotonicMs += 16_000
  await t.rejects(all.round())
  await until('it is let go', async () => open().length === 0)
  ctx.db.inWorkspace = inWorkspace
})
