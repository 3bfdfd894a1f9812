import { MalformedPayload } from '@parley/connectors'
import type { ConnectorEvent } from '@parley/contracts'
import { Database, lockChannelOrder, openDatabase } from '@parley/db'
import { has, OWN_LOCKS } from '@parley/testing'
import t from 'tap'
import { ingest, ingestAfterwards, type Turn } from '../src/processors/ingest.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

const statesOf = (rows: { payload: unknown; state: string; attempts: number }[]) =>
  Object.fromEntries(
    rows.map(({ payload, state, attempts }) => [(payload as { external_id: string }).external_id, [state, attempts]]),
  )

t.test('an event that Postgres or our own code cannot take is parked, its neighbours are stored', async t => {
  const poisons: [string, Record<string, unknown>, RegExp][] = [
    ['a NUL in the text', { text: 'a\u0000b' }, /\S/],
    ['a word that no column takes', { kind: null }, /null value/],
    ['a bug that is a TypeError', { throws: new TypeError('x is not a function \u0000') }, /x is not a function $/],
    ['a bug that is any Error', { throws: new Error('what is this') }, /what is this/],
    ['something that is no Error', { throws: 'a string' }, /a string/],
  ]
  for (const [name, fields, reason] of poisons) {
    await t.test(name, async t => {
      const connector = fakeConnector({
        normalise: (_channel, payload) => {
          if ((payload as { external_id: string }).external_id === 'poison' && 'throws' in fields) throw fields.throws
          return payload as ConnectorEvent
        },
      })
      const worker = await openWorker(t, connector)
      const channel = await worker.addChannel()
      const good = ['g-1', 'g-2', 'g-3', 'g-4', 'g-5'].map(id => comment(id))
      const { throws: _, ...stored } = fields
      await worker.accept(channel, [...good.slice(0, 2), comment('poison', stored), ...good.slice(2)])
      await drain(worker.ctx, { workspace_id: worker.workspace_id, channel_id: channel.id })
      t.same(statesOf(await worker.ledger()), {
        'g-1': ['done', 0],
        'g-2': ['done', 0],
        poison: ['parked', 3],
        'g-3': ['done', 0],
        'g-4': ['done', 0],
        'g-5': ['done', 0],
      })
      const parked = (await worker.ledger()).find(row => row.state === 'parked')!
      has(t, parked.error, reason)
      t.equal((await worker.messages()).length, 5)
      t.equal((await worker.log()).filter(type => type === 'event.parked').length, 1)
      t.ok(worker.woken.includes(worker.workspace_id))
    })
  }
})

t.test('a payload of another shape is parked at once, with the rest of its batch stored in one go', async t => {
  const connector = fakeConnector({
    normalise: (_channel, payload) => {
      if ((payload as { external_id: string }).external_id === 'malformed') throw new MalformedPayload('no author')
      return payload as ConnectorEvent
    },
  })
  const worker = await openWorker(t, connector)
  const channel = await worker.addChannel()
  await worker.accept(channel, [comment('g-1'), comment('malformed'), comment('g-2')])
  t.equal(await drain(worker.ctx, { workspace_id: worker.workspace_id, channel_id: channel.id }), 1)
  t.same(statesOf(await worker.ledger()), { 'g-1': ['done', 0], malformed: ['parked', 1], 'g-2': ['done', 0] })
  t.equal((await worker.log()).filter(type => type === 'event.parked').length, 1)
})

t.test('a batch of large payloads ends early, and one that is too large alone is taken alone', async t => {
  const worker = await openWorker(t, fakeConnector())
  const channel = await worker.addChannel()
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  const accept = (name: string, count: number, megabytes: number) => {
    const ignored = 'x'.repeat(megabytes * 1024 * 1024)
    return worker.accept(
      channel,
      Array.from({ length: count }, (_, index) => comment(`${name}-${index}`, { ignored })),
    )
  }
  await accept('large', 7, 3)
  t.equal(await drain(worker.ctx, job), 3, 'each batch ends with the payload that takes it past 8 MiB')
  await accept('larger', 2, 9)
  t.equal(await drain(worker.ctx, job), 2)
  t.equal((await worker.messages()).length, 9)
})

t.test('a database that goes away uses up no attempts', async t => {
  const worker = await openWorker(t, fakeConnector())
  const channel = await worker.addChannel()
  await worker.accept(channel, [comment('g-1')])
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  // The first statement after the claim finds its connection cut.
  const fragile = openDatabase({ url: worker.url, poolSize: 2 })
  t.teardown(() => fragile.close())
  const ctx = worker.contextOn(fragile)
  const { rows } = await fragile.pool.query('select pg_backend_pid() as pid')
  const cut = () => worker.db.pool.query('select pg_terminate_backend($1)', [rows[0].pid])
  const blocker = await worker.db.pool.connect()
  await blocker.query('begin; lock table conversations in access exclusive mode')
  const failed = drain(ctx, job).then(
    () => undefined,
    error => error,
  )
  for (let waiting = 0; waiting === 0; ) {
    const locks = await blocker.query(
      `select from ${OWN_LOCKS} where relation = 'conversations'::regclass and not granted`,
    )
    waiting = locks.rows.length
  }
  await cut()
  await blocker.query('rollback')
  blocker.release()
  t.type(await failed, Error)
  t.same(statesOf(await worker.ledger()), { 'g-1': ['pending', 0] })

  // A lock that is held too long is nobody's fault either.
  const hasty = openDatabase({ url: worker.url, poolSize: 1, statementTimeoutMs: 1_000 })
  t.teardown(() => hasty.close())
  await worker.db.inWorkspace(worker.workspace_id, async trx => {
    await lockChannelOrder(trx, channel.id, 'alone')
    await t.rejects(ingest(worker.contextOn(hasty))(job), { code: '55P03' })
  })
  t.same(statesOf(await worker.ledger()), { 'g-1': ['pending', 0] })
  await drain(worker.ctx, job)
  t.same(statesOf(await worker.ledger()), { 'g-1': ['done', 0] })
})

t.test('two drains of a channel at once apply each event once, in order', async t => {
  const worker = await openWorker(t, fakeConnector())
  const channel = await worker.addChannel()
  const other = openDatabase({ url: worker.url, poolSize: 2 })
  t.teardown(() => other.close())
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  const ids = Array.from({ length: 600 }, (_, index) => `m-${index}`)
  await worker.accept(
    channel,
    ids.map(id => comment(id, { thread_key: `t-${id}` })),
  )
  const drains = [worker.ctx, worker.contextOn(other), worker.ctx, worker.contextOn(other)]
  const drained = await Promise.all(drains.map(ctx => drain(ctx, job)))
  t.equal(
    drained.reduce((sum, batches) => sum + batches, 0),
    2,
    'two batches, whoever took them',
  )
  t.equal((await worker.messages()).length, 600)
  t.equal((await worker.log()).filter(type => type === 'message.received').length, 600)
})

t.test('only the event that failed is blamed, also when another drain has taken it meanwhile', async t => {
  let broken = true
  const connector = fakeConnector({
    normalise: (_channel, payload) => {
      if (broken) throw new TypeError('not yet deployed')
      return payload as ConnectorEvent
    },
  })
  const worker = await openWorker(t, connector)
  const channel = await worker.addChannel()
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  await worker.accept(channel, [comment('suspect')])
  // Between the failure and the blame, a newer worker applies the event, and another one comes in.
  class Interrupted extends Database {
    override async inWorkspace<T>(...[workspace_id, work]: Parameters<Database['inWorkspace']>): Promise<T> {
      if (broken) {
        broken = false
        await drain(worker.ctx, job)
        await worker.accept(channel, [comment('innocent')])
      }
      return super.inWorkspace(workspace_id, work) as Promise<T>
    }
  }
  const db = new Interrupted({ url: worker.url })
  t.teardown(() => db.close())
  await drain(worker.contextOn(db), job)
  t.same(statesOf(await worker.ledger()), { suspect: ['done', 0], innocent: ['done', 0] })
})

t.test('a hint dropped while a drain ran is made good, and none is given when all is done', async t => {
  const worker = await openWorker(t, fakeConnector())
  const channel = await worker.addChannel()
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  const ended: Turn = { batches: 1, ended: 'empty' }
  await ingestAfterwards(worker.ctx)(job, ended)
  t.same(worker.hints, [])
  await worker.accept(channel, [comment('late')])
  await ingestAfterwards(worker.ctx)(job, ended)
  t.same(worker.hints, [{ queue: 'ingest', job }])
  await ingestAfterwards(worker.ctx)(job, { batches: 0, ended: 'taken' })
  t.equal(worker.hints.length, 1, 'the drain that was at work looks for itself')
  worker.clock.now = at('09:00:05')
  await drain(worker.ctx, job)
  await ingestAfterwards(worker.ctx)(job, ended)
  t.equal(worker.hints.length, 1)
})
