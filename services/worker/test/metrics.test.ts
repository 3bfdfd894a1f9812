import type { ConnectorEvent } from '@parley/contracts'
import { until } from '@parley/testing'
import t from 'tap'
import { serveMetrics } from '../src/metrics-server.ts'
import { ingest } from '../src/processors/ingest.ts'
import { at, comment, fakeConnector, openWorker } from './processing.ts'

t.test('a worker tells Prometheus what it took from the ledger, how late, and in which batches', async t => {
  const connector = fakeConnector({
    normalise: (_channel, payload) => {
      if ((payload as { external_id: string }).external_id === 'poison') throw new Error('what is this')
      return payload as ConnectorEvent
    },
  })
  const worker = await openWorker(t, connector)
  const { ctx, clock } = worker
  const channel = await worker.addChannel()
  const server = await serveMetrics(ctx.metrics.registry, { port: 0, host: '127.0.0.1' })
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${server.port}/metrics`
  const read = async () => {
    const answer = await fetch(url)
    t.match(answer.headers.get('content-type'), /^text\/plain/)
    const lines = (await answer.text()).split('\n').filter(line => !line.startsWith('#'))
    return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
  }

  const idle = await read()
  t.equal(idle.get('parley_ingest_batch_events_count'), 0)
  clock.now = at('09:00:10')
  const echo = comment('ours', { from_us: true })
  const ping = { type: 'ignored', reason: 'ping' }
  const ahead = comment('ahead', { occurred_at: at('10:00:00').toISOString() })
  await worker.accept(channel, [comment('m-1'), echo, ahead, comment('poison'), ping])
  clock.now = at('09:00:12')
  const job = { workspace_id: worker.workspace_id, channel_id: channel.id }
  await until('nothing is left', async () => (await ingest(ctx)(job)).ended === 'empty')

  const metrics = await read()
  const events = (outcome: string) => metrics.get(`parley_ingest_events_total{outcome="${outcome}"}`)
  t.same([events('applied'), events('ignored'), events('parked')], [3, 1, 1])
  t.equal(metrics.get('parley_ingest_lag_seconds_count'), 4)
  t.equal(metrics.get('parley_ingest_lag_seconds_sum'), 8)
  t.equal(metrics.get('parley_network_lag_seconds_sum'), 20, 'a clock that is ahead of ours counts as no lag')
  const batches = metrics.get('parley_ingest_batch_events_count')!
  t.ok(batches >= 1)
  t.equal(metrics.get('parley_ingest_batch_events_sum'), 4, 'what failed and was rolled back is in no batch')
  t.equal(metrics.get('parley_ingest_batch_seconds_count'), batches)
  t.ok(metrics.get('parley_ingest_batch_seconds_sum')! > 0)
  t.ok(metrics.has('process_cpu_seconds_total'))

  t.equal((await fetch(url.replace('metrics', 'other'))).status, 404)
  t.equal((await fetch(url, { method: 'POST' })).status, 404)
})
