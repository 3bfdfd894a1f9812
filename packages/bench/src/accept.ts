import type { Cleanup } from './cleanup.ts'
import type { Corpus } from './corpus.ts'
import { createCorpus, webhookEvent } from './corpus.ts'
import { type Job, type LoadResult, prepareLoad } from './load.ts'
import type { Pgbench } from './pgbench.ts'
import type { Recorder } from './recorder.ts'
import { percentile } from './report.ts'
import { type Channel, connectChannel, type Deployment, deploy, type Servers, settle, withClient } from './servers.ts'

const CONNECTIONS = 16
const BATCH_CONNECTIONS = 8
const SINGLE_EVENTS = 8_000
const BATCHED_EVENTS = 60_000
const BATCH = 100
const PER_SECOND = 500
/** Requests and inserts take turns, so that a noisy second hits both. */
const SLICES = 4
const PACED_EVENTS = 1_250
const INSERTS = 1_250

/**
 * How fast and how evenly webhooks are stored and answered, by an API without a worker beside it: the ledger row is
 * committed before the answer.
 */
export async function prepareAccept(cleanup: Cleanup, servers: Servers, pgbench: Pgbench | undefined) {
  const deployment = await deploy(cleanup, servers, 'parley_accept', ['api'])
  const channel = await connectChannel(deployment, 'accept')
  const measure = { cleanup, servers, deployment, channel }
  await withClient(deployment.databaseUrl, client =>
    client.query(
      'create table bench_inserts (id bigint generated always as identity primary key, payload json not null)',
    ),
  )
  await postEvents(measure, 'warm-up-single', 3_000, 1, { kind: 'closed', connections: CONNECTIONS })
  await postEvents(measure, 'warm-up-batch', 10_000, BATCH, { kind: 'closed', connections: BATCH_CONNECTIONS })

  return async (run: number, record: Recorder): Promise<void> => {
    const tps = await pgbench?.measure()
    const closed = (connections: number) => ({ kind: 'closed' as const, connections })
    const single = await postEvents(measure, `single-${run}`, SINGLE_EVENTS, 1, closed(CONNECTIONS))
    const batch = await postEvents(measure, `batch-${run}`, BATCHED_EVENTS, BATCH, closed(BATCH_CONNECTIONS))
    const { answers, inserts } = await measureLatencies(measure, run)

    record.figure('accept: single events', 'events/s', single.events / single.seconds)
    record.figure('accept: batches of 100', 'events/s', batch.events / batch.seconds)
    for (const [name, p] of [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const) {
      record.figure(`accept: ${name} at ${PER_SECOND} requests/s`, 'ms', percentile(answers, p))
      record.figure(`reference: ${name} of a lone INSERT`, 'ms', percentile(inserts, p))
    }
    record.ratio('accept_p99_vs_insert', percentile(answers, 0.99) / percentile(inserts, 0.99))
    if (tps === undefined) return
    record.figure('reference: pgbench beside accept', 'transactions/s', tps)
    record.ratio('accept_events_vs_pgbench', single.events / single.seconds / tps)
    record.ratio('accept_batch_events_vs_pgbench', batch.events / batch.seconds / tps)
  }
}

type Measure = { cleanup: Cleanup; servers: Servers; deployment: Deployment; channel: Channel }

/** Posts that many new events, makes sure that the ledger has every one of them, and empties it again. */
async function postEvents(
  { cleanup, servers, deployment, channel }: Measure,
  name: string,
  count: number,
  eventsPerRequest: number,
  drive: Job['drive'],
): Promise<LoadResult> {
  const corpus: Corpus = { name, count, startedAt: Date.now() }
  const url = new URL(`/hooks/${channel.id}`, deployment.apiUrl).href
  const load = await prepareLoad(cleanup, {
    url,
    signingSecret: channel.signingSecret,
    corpus,
    eventsPerRequest,
    drive,
  })
  await settle(servers)
  const result = await load.run()
  await withClient(deployment.databaseUrl, async client => {
    const { rows } = await client.query('select count(*)::int as stored from inbound_events')
    if (rows[0].stored !== count) throw new Error(`${count} events were acknowledged, ${rows[0].stored} are stored`)
    await client.query('truncate inbound_events, inbound_payloads')
  })
  return result
}

async function measureLatencies(measure: Measure, run: number): Promise<{ answers: number[]; inserts: number[] }> {
  const answers: number[] = []
  const inserts: number[] = []
  for (let slice = 0; slice < SLICES; slice += 1) {
    inserts.push(...(await measureInserts(measure, run)))
    const drive = { kind: 'paced' as const, perSecond: PER_SECOND }
    answers.push(...(await postEvents(measure, `paced-${run}-${slice}`, PACED_EVENTS, 1, drive)).latenciesMs)
  }
  return { answers, inserts }
}

/** The same payloads, one row and one commit after another, on a connection that nobody else uses. */
async function measureInserts({ servers, deployment }: Measure, run: number): Promise<number[]> {
  const corpus = createCorpus({ name: `insert-${run}`, count: INSERTS, startedAt: Date.now() })
  const payloads = corpus.map(message => JSON.stringify(webhookEvent(message)))
  await settle(servers)
  return withClient(deployment.databaseUrl, async client => {
    const latenciesMs = []
    for (const payload of payloads) {
      const start = performance.now()
      await client.query('insert into bench_inserts (payload) values ($1)', [payload])
      latenciesMs.push(performance.now() - start)
    }
    return latenciesMs
  })
}
