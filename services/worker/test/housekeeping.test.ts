import { randomBytes, randomUUID } from 'node:crypto'
import { retryParked } from '@parley/core'
import {
  type Database,
  deleteDraft,
  insertAttachment,
  insertDraft,
  insertSession,
  insertUser,
  openDatabase,
  parkInboundEvent,
  sqlState,
  storeAnswer,
} from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { has, OWN_LOCKS, until } from '@parley/testing'
import pg from 'pg'
import t, { type Test } from 'tap'
import { cleanUp, keepPartitions } from '../src/processors/housekeeping.ts'
import { ingest } from '../src/processors/ingest.ts'
import { comment, fakeConnector, type OpenWorker, openWorker } from './processing.ts'

const DAY_MS = 24 * 3600 * 1000
const NOW = new Date('2026-03-02T09:00:00Z')
const daysAgo = (days: number) => new Date(NOW.getTime() - days * DAY_MS)
const partitionOf = (day: Date) => `inbound_payloads_${day.toISOString().slice(0, 10).replaceAll('-', '')}`

/** A worker that keeps the ledger for 30 days, its channel, and a look at what is kept. */
async function setUp(t: Test) {
  const worker = await openWorker(t, fakeConnector())
  const channel = await worker.addChannel()
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  const { db, run, clock, ctx } = worker

  /** An event received then, with a partition for its day unless `in_default`. */
  const receive = async (at: Date, external_id: string, options: { in_default?: boolean } = {}) => {
    clock.now = at
    if (!options.in_default) await keepPartitions({ ...ctx, config: { ...ctx.config, PARLEY_LEDGER_DAYS: 3650 } })()
    await worker.accept(channel, [
      comment(external_id, { occurred_at: at.toISOString(), version_at: at.toISOString() }),
    ])
    clock.now = NOW
  }
  /** Closes everything that is pending, as if it had been done then. */
  const work = async (at: Date) => {
    clock.now = at
    await ingest(ctx)(job)
    clock.now = NOW
  }
  const partitions = async () => {
    const { rows } = await db.pool.query<{ name: string }>(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'inbound_payloads'::regclass`,
    )
    return rows.map(({ name }) => name)
  }
  const payloads = () =>
    run(async trx => {
      const rows = await trx.selectFrom('inbound_payloads').select('payload').orderBy('id').execute()
      return rows.map(({ payload }) => (payload as { external_id: string }).external_id)
    })
  const events = () => run(trx => trx.selectFrom('inbound_events').selectAll().orderBy('id').execute())
  return { ...worker, worker, channel, job, receive, work, partitions, payloads, events }
}
type SetUp = Awaited<ReturnType<typeof setUp>>

/** `count` events of that age that are done, each with a duplicate counted. */
const addDone = ({ run, channel }: SetUp, count: number, closed_at: Date) =>
  run(async trx => {
    const id = (n: number) => {
      const ms = (closed_at.getTime() - 1000).toString(16).padStart(12, '0')
      return `${ms.slice(0, 8)}-${ms.slice(8)}-7000-8000-${n.toString(16).padStart(12, '0')}`
    }
    const row = { channel_id: channel.id, received_at: new Date(closed_at.getTime() - 1000) }
    for (let from = 0; from < count; from += 1000) {
      const numbers = Array.from({ length: Math.min(1000, count - from) }, (_, index) => from + index)
      const done = { state: 'done', processed_at: closed_at }
      const rows = numbers.map(n => ({ id: id(n), dedup_key: randomUUID(), ...row, ...done }))
      await trx.insertInto('inbound_events').values(rows).execute()
      const counts = numbers.map(n => ({ id: id(n), source: 'poll', count: 1, ...row }))
      await trx.insertInto('inbound_duplicates').values(counts).execute()
    }
  })
const left = ({ run }: OpenWorker) =>
  run(async trx => {
    const count = async (table: 'inbound_events' | 'inbound_duplicates') =>
      (await trx.selectFrom(table).select('id').execute()).length
    return { events: await count('inbound_events'), duplicates: await count('inbound_duplicates') }
  })

t.test('today and the next seven days have a partition, and what comes in lands in it', async t => {
  const s = await setUp(t)
  await keepPartitions(s.ctx)()
  const expected = Array.from({ length: 8 }, (_, index) => partitionOf(daysAgo(-index)))
  const made = await s.partitions()
  for (const name of expected) t.ok(made.includes(name), name)
  t.notOk(made.includes(partitionOf(daysAgo(-8))))
  await s.accept(s.channel, [comment('m-1')])
  const client = await connect(t, s.url)
  await client.query(`begin; set local role parley_app; set local parley.workspace_id = '${s.workspace_id}'`)
  const { rows } = await client.query('select tableoid::regclass::text as name from inbound_payloads')
  t.same(rows, [{ name: partitionOf(NOW) }])
  await keepPartitions(s.ctx)()
  t.same(await s.partitions(), made, 'the next hour changes nothing')
})

t.test('a day that has been over for 30 days goes with its payloads, a younger one stays', async t => {
  const s = await setUp(t)
  for (const days of [40, 31, 30, 29]) await s.receive(daysAgo(days), `m-${days}`)
  await s.work(daysAgo(29))
  await keepPartitions(s.ctx)()
  const kept = await s.partitions()
  t.same(
    [40, 31, 30, 29].map(days => kept.includes(partitionOf(daysAgo(days)))),
    [false, false, true, true],
  )
  t.same(await s.payloads(), ['m-30', 'm-29'])
})

t.test('a row closed 30 days ago goes, a younger one stays, and so does one that was received long before', async t => {
  const s = await setUp(t)
  await s.receive(daysAgo(40), 'old')
  await s.work(new Date(daysAgo(30).getTime() - 1))
  await s.receive(daysAgo(39), 'received early, closed late')
  await s.work(daysAgo(30))
  await s.receive(daysAgo(29), 'young')
  await s.work(daysAgo(29))
  await cleanUp(s.ctx)()
  t.same(
    (await s.events()).map(({ received_at }) => received_at.getTime()),
    [daysAgo(39), daysAgo(29)].map(date => date.getTime()),
  )
  t.equal((await s.messages()).length, 3, 'messages stay')
})

t.test('an event that is still pending keeps its row, its day and its payload, however old it is', async t => {
  const s = await setUp(t)
  await s.receive(daysAgo(42), 'done')
  await s.work(daysAgo(42))
  await s.receive(daysAgo(40), 'pending')
  await keepPartitions(s.ctx)()
  await cleanUp(s.ctx)()
  const kept = await s.partitions()
  t.same(
    [42, 41, 40].map(days => kept.includes(partitionOf(daysAgo(days)))),
    [false, false, true],
  )
  t.same(await s.payloads(), ['pending'])
  has(t, await s.events(), [{ state: 'pending', received_at: daysAgo(40) }])
  await s.work(NOW)
  has(
    t,
    (await s.messages()).map(({ external_id }) => external_id),
    ['done', 'pending'],
  )
  await keepPartitions(s.ctx)()
  t.notOk((await s.partitions()).includes(partitionOf(daysAgo(40))), 'once it is done the day may go')
})

t.test('a parked event outlives its day with its payload, and can be tried again', async t => {
  const s = await setUp(t)
  await s.receive(daysAgo(40), 'parked')
  const [event] = await s.events()
  await s.run(trx => parkInboundEvent(trx, event!, 'a bug that is mended by now'))
  await keepPartitions(s.ctx)()
  await cleanUp(s.ctx)()
  t.notOk((await s.partitions()).includes(partitionOf(daysAgo(40))))
  t.same(await s.payloads(), [])
  has(t, await s.events(), [{ state: 'parked', parked_payload: { external_id: 'parked' } }])
  await s.run(trx => retryParked(trx, s.channel.id, event!.id, SYSTEM, NOW))
  await keepPartitions(s.ctx)()
  await cleanUp(s.ctx)()
  await s.work(NOW)
  has(t, await s.messages(), [{ external_id: 'parked', occurred_at: daysAgo(40) }])
  has(t, await s.events(), [{ state: 'done', parked_payload: null }])
})

t.test('what landed in the default partition is removed in time, but for what is still to be read', async t => {
  const s = await setUp(t)
  await s.receive(daysAgo(50), 'done', { in_default: true })
  await s.work(daysAgo(50))
  await s.receive(daysAgo(45), 'pending', { in_default: true })
  await s.receive(daysAgo(2), 'young', { in_default: true })
  await keepPartitions(s.ctx)()
  t.same(await s.payloads(), ['pending', 'young'])
  await s.work(NOW)
  await keepPartitions(s.ctx)()
  t.same(await s.payloads(), ['young'])
})

t.test('many rows go in parts, of every workspace, and several workers at it do no harm', async t => {
  const s = await setUp(t)
  await addDone(s, 12_000, daysAgo(31))
  await addDone(s, 7, daysAgo(3))
  await Promise.all([cleanUp(s.ctx)(), cleanUp(s.ctx)(), keepPartitions(s.ctx)(), keepPartitions(s.ctx)()])
  await cleanUp(s.ctx)()
  t.same(await left(s), { events: 7, duplicates: 7 })
})

t.test('a worker killed while it forgets leaves what it had done, and the next one does the rest', async t => {
  const s = await setUp(t)
  await addDone(s, 6_000, daysAgo(31))
  const blocker = await connect(t, s.url)
  await blocker.query('begin; lock table inbound_duplicates in access exclusive mode')
  const forgetting = cleanUp(s.contextOn(own(t, s.url)))().catch(sqlState)
  await kill(blocker, 'inbound_duplicates')
  t.equal(await forgetting, '57P01')
  await blocker.query('rollback')
  t.same(await left(s), { events: 0, duplicates: 6_000 })
  await cleanUp(s.ctx)()
  t.same(await left(s), { events: 0, duplicates: 0 })
})

t.test('days go together or not at all, and who reads them is not kept waiting', async t => {
  const s = await setUp(t)
  for (const days of [40, 39]) await s.receive(daysAgo(days), `m-${days}`)
  await s.work(daysAgo(39))
  const past = async () => (await s.partitions()).filter(name => name < partitionOf(daysAgo(32)))
  const before = await past()
  t.ok(before.length > 2)
  const second = partitionOf(daysAgo(39))
  const blocker = await connect(t, s.url)
  await blocker.query(`begin; lock table ${second} in access share mode`)

  const killed = keepPartitions(s.contextOn(own(t, s.url)))().catch(sqlState)
  await kill(blocker, second)
  t.equal(await killed, '57P01')
  t.same(await past(), before)
  t.equal(await keepPartitions(s.ctx)().catch(sqlState), '55P03', 'it gives up')
  t.same(await past(), before)
  t.same(await s.payloads(), ['m-40', 'm-39'])

  await blocker.query('rollback')
  await keepPartitions(s.ctx)()
  t.same(await s.payloads(), [])
})

t.test('a session is forgotten a month after its end', async t => {
  const { run, ctx } = await setUp(t)
  await run(async trx => {
    const user = await insertUser(trx, { id: randomUUID(), name: 'Ana', role: 'agent', created_at: NOW })
    for (const days of [31, 29, -1]) {
      const [expires_at, created_at] = [daysAgo(days), daysAgo(60)]
      const stamps = { created_at, last_seen_at: created_at, idle_seconds: 60, expires_at }
      await insertSession(trx, { id: randomUUID(), user_id: user.id, token_hash: randomBytes(32), epoch: 1, ...stamps })
    }
  })
  await cleanUp(ctx)()
  const kept = await run(trx => trx.selectFrom('sessions').select('expires_at').orderBy('expires_at').execute())
  t.same(
    kept.map(row => row.expires_at),
    [daysAgo(29), daysAgo(-1)],
  )
})

t.test('what somebody was told is forgotten after ninety days', async t => {
  const { run, ctx } = await setUp(t)
  await run(async trx => {
    const user = await insertUser(trx, { id: randomUUID(), name: 'Ana', role: 'agent', created_at: NOW })
    for (const days of [91, 89]) {
      const what = { kind: 'resolved', event_id: randomUUID(), conversation_id: randomUUID(), actor_type: 'system' }
      const row = { id: randomUUID(), user_id: user.id, ...what, at: daysAgo(days) }
      await trx.insertInto('notifications').values(row).execute()
    }
  })
  await cleanUp(ctx)()
  t.same(await run(trx => trx.selectFrom('notifications').select('at').execute()), [{ at: daysAgo(89) }])
})

t.test('an answer stored for an idempotency key is forgotten after a week', async t => {
  const s = await setUp(t)
  const answer = {
    credential_id: randomUUID(),
    route: 'POST /x',
    fingerprint: Buffer.from('x'),
    headers: '{}',
    body: '',
  }
  for (const [key, created_at] of Object.entries({ old: new Date(daysAgo(7).getTime() - 1), young: daysAgo(7) }))
    await s.run(trx => storeAnswer(trx, { ...answer, key, status: 200, created_at }))
  await cleanUp(s.ctx)()
  const keys = await s.run(trx => trx.selectFrom('idempotency_keys').select('key').execute())
  t.same(keys, [{ key: 'young' }])
})

t.test('an upload that nobody used is forgotten after a week, one in a draft is not', async t => {
  const s = await setUp(t)
  await s.receive(NOW, 'm-1')
  await s.work(NOW)
  const { id: conversation_id } = await s.run(trx =>
    trx.selectFrom('conversations').select('id').executeTakeFirstOrThrow(),
  )
  const upload = async (created_at: Date) => {
    const row = { id: randomUUID(), state: 'stored' as const, created_at }
    return (await s.run(trx => insertAttachment(trx, row))).id
  }
  const old = new Date(daysAgo(7).getTime() - 1)
  const [unused, drafted, young] = [await upload(old), await upload(old), await upload(daysAgo(7))]
  const author = { updated_by_type: 'user' as const, updated_by_id: randomUUID(), updated_at: old }
  const draft = { conversation_id, body: 'Hello', attachment_ids: [drafted], ...author }
  const { version } = (await s.run(trx => insertDraft(trx, draft)))!
  const left = async () => {
    await cleanUp(s.ctx)()
    const rows = await s.run(trx => trx.selectFrom('attachments').select('id').execute())
    return rows.map(({ id }) => id).sort()
  }
  t.same(await left(), [drafted, young].sort(), `without ${unused}`)
  await s.run(trx => deleteDraft(trx, conversation_id, version))
  t.same(await left(), [young])
})

async function connect(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  t.teardown(() => client.end())
  return client
}

/** Connections of a worker that may be killed. */
function own(t: Test, url: string): Database {
  const db = openDatabase({ url, poolSize: 1 })
  t.teardown(() => db.close())
  return db
}

/** Ends whoever waits for that table, as a crash would. */
async function kill(client: pg.Client, table: string): Promise<void> {
  await until('somebody waits for the table', async () => {
    const { rows } = await client.query(
      `select pg_terminate_backend(pid) from ${OWN_LOCKS} where relation = $1::regclass and not granted`,
      [table],
    )
    return rows.length > 0
  })
}
