import { acceptInbound, ledgerEntries } from '@parley/core'
import { openDatabase } from '@parley/db'
import { until } from '@parley/testing'
import t from 'tap'
import { addChannel, addParked, type Tenant, testApi } from './helper.ts'

const api = await testApi(t)
const now = api.clock.now

const scrape = async () => {
  const { status, text } = await api.inject({ method: 'GET', url: '/metrics' })
  t.equal(status, 200)
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}
/** What is read is kept for five seconds. */
const later = (ms: number) => {
  api.clock.now = new Date(api.clock.now.getTime() + ms)
}
const receive = async (tenant: Tenant, received_at: Date, count: number) => {
  const channel = await addChannel(api, tenant)
  const events = Array.from({ length: count }, (_, n) => ({ dedup_key: `${n}`, thread_key: `${n}`, payload: {} }))
  const entries = ledgerEntries(channel.id, events, 'webhook', received_at)
  await api.db.inWorkspace(tenant.workspace_id, trx => acceptInbound(trx, entries))
  return channel
}

t.test('what waits in all ledgers and queues shows in the metrics, and is read every five seconds at most', async t => {
  const empty = await scrape()
  t.equal(empty.get('parley_ledger_pending_events'), 0)
  t.equal(empty.get('parley_ledger_oldest_pending_seconds'), 0)
  t.equal(empty.get('parley_ledger_parked_events'), 0)
  t.ok(empty.has('process_cpu_seconds_total'), 'beside what the process tells of itself')

  await receive(api.ours, new Date(now.getTime() - 1_000), 20)
  await receive(api.theirs, new Date(now.getTime() - 30_000), 3)
  await receive(api.theirs, new Date(now.getTime() - 2_000), 3)
  await addParked(api, api.ours, await addChannel(api))
  api.ctx.hints.ingest({ workspace_id: api.ours.workspace_id, channel_id: api.ours.inbox_id })
  later(4_999)
  t.equal((await scrape()).get('parley_ledger_pending_events'), 0, 'not yet read again')
  later(1)
  const full = await scrape()
  t.equal(full.get('parley_ledger_pending_events'), 26)
  t.equal(full.get('parley_ledger_oldest_pending_seconds'), 35)
  t.equal(full.get('parley_ledger_parked_events'), 1)
  const waiting = await until('the hint stands in its queue', async () => {
    later(5_000)
    const jobs = await scrape()
    return jobs.get('parley_queue_jobs{queue="ingest",state="waiting"}') === 1 && jobs
  })
  for (const queue of ['ingest', 'poll', 'send'])
    for (const state of ['waiting', 'active', 'delayed', 'failed'])
      t.ok(waiting.has(`parley_queue_jobs{queue="${queue}",state="${state}"}`), `${queue} ${state}`)
})

t.test('a ledger that cannot be read leaves a gap, and the rest is told all the same', async t => {
  const blocker = openDatabase({ url: api.db.pool.options.connectionString!, poolSize: 1 })
  t.teardown(() => blocker.close())
  const client = await blocker.pool.connect()
  await client.query('begin; lock table inbound_events in access exclusive mode')
  later(5_000)
  const metrics = await scrape()
  await client.query('rollback')
  client.release()
  t.notOk(metrics.has('parley_ledger_pending_events'))
  t.ok(metrics.has('parley_queue_jobs{queue="send",state="waiting"}'))
  t.ok(metrics.has('process_cpu_seconds_total'))
  t.match(api.log.join(''), /backlog could not be read/)
  later(5_000)
  t.equal((await scrape()).get('parley_ledger_pending_events'), 26, 'and comes back')
})
