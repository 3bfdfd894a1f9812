import type pg from 'pg'
import type { Cleanup } from './cleanup.ts'
import { type Corpus, createCorpus } from './corpus.ts'
import { type Job, type Load, prepareLoad } from './load.ts'
import { compare, connectLongAgo, countRows, expectedRows, isDrained, sumOf, untilDrained } from './outcome.ts'
import type { Recorder } from './recorder.ts'
import { percentile } from './report.ts'
import { type Channel, connectChannel, type Deployment, deploy, type Servers, settle, withClient } from './servers.ts'

const BACKLOG = 100_000
const WARM_UP = 5_000
const BATCH = 100
const CONNECTIONS = 4
/** What the quiet channel gets, alone and beside the busy one: five seconds of single events. */
const STEADY = 50
const PER_SECOND = 10

/**
 * How much later the messages of a channel with little traffic stand in the inbox while another channel has a hundred
 * thousand waiting: one API, one worker, which takes both.
 */
export async function prepareFairness(cleanup: Cleanup, servers: Servers, backlog = BACKLOG) {
  const deployment = await deploy(cleanup, servers, 'parley_fairness', ['api', 'worker'])
  const measure = { cleanup, servers, deployment }
  await measureLags(measure, 'warm-up', WARM_UP)
  await withClient(deployment.databaseUrl, client => client.query('analyze'))

  return async (run: number, record: Recorder): Promise<void> => {
    const { alone, beside, seconds, overlapped } = await measureLags(measure, `fairness-${run}`, backlog)
    if (!overlapped) throw new Error('the busy channel was drained before the quiet one had its events: queue more')
    for (const [name, p] of [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const) {
      record.figure(`fairness: ${name} of the lag beside a busy channel`, 'ms', percentile(beside, p))
      record.figure(`reference: ${name} of the lag alone`, 'ms', percentile(alone, p))
    }
    record.figure('fairness: the busy channel meanwhile', 'messages/s', backlog / seconds)
    record.ratio('fairness_lag', percentile(beside, 0.5) / percentile(alone, 0.5))
  }
}

type Measure = { cleanup: Cleanup; servers: Servers; deployment: Deployment }

/** Connects a busy and a quiet channel of their own, and ends when both are drained. */
async function measureLags(measure: Measure, name: string, backlog: number) {
  const { servers, deployment } = measure
  const busy = await connectChannel(deployment, `${name}-busy`)
  const quiet = await connectChannel(deployment, `${name}-quiet`)
  const queued = corpusOf(`${name}-busy`, backlog)
  const expected = [queued, corpusOf(`${name}-alone`, STEADY), corpusOf(`${name}-beside`, STEADY)].map(createCorpus)
  return withClient(deployment.databaseUrl, async client => {
    const drained = (channel: Channel) => untilDrained(client, deployment.workspace_id, channel.id)
    for (const channel of [busy, quiet]) await connectLongAgo(client, channel)
    const before = await countRows(client)
    await settle(servers)
    await (await prepareSteady(measure, quiet, `${name}-alone`)).run()
    await drained(quiet)

    // What a paused channel receives waits in the ledger: nobody posts to it any more while it is drained.
    await changeChannel(deployment, busy, 'pause')
    const flood = {
      corpus: queued,
      eventsPerRequest: BATCH,
      drive: { kind: 'closed', connections: CONNECTIONS },
    } as const
    await (await prepare(measure, busy, flood)).run()
    const steady = await prepareSteady(measure, quiet, `${name}-beside`)
    await settle(servers)
    const start = performance.now()
    await changeChannel(deployment, busy, 'resume')
    await steady.run()
    await drained(quiet)
    const overlapped = !(await isDrained(client, deployment.workspace_id, busy.id))
    await drained(busy)
    const seconds = (performance.now() - start) / 1000
    compare(await countRows(client), before, sumOf(expected.map(expectedRows)))

    const lags = await readLags(client, deployment.workspace_id, quiet)
    return { alone: lags.slice(0, STEADY), beside: lags.slice(STEADY), seconds, overlapped }
  })
}

const corpusOf = (name: string, count: number): Corpus => ({ name, count, startedAt: Date.now() - 60_000 - count })

function prepare(
  { cleanup, deployment }: Measure,
  { id, signingSecret }: Channel,
  what: Pick<Job, 'corpus' | 'eventsPerRequest' | 'drive'>,
): Promise<Load> {
  return prepareLoad(cleanup, { url: new URL(`/hooks/${id}`, deployment.apiUrl).href, signingSecret, ...what })
}

function prepareSteady(measure: Measure, channel: Channel, name: string): Promise<Load> {
  const drive = { kind: 'paced', perSecond: PER_SECOND } as const
  return prepare(measure, channel, { corpus: corpusOf(name, STEADY), eventsPerRequest: 1, drive })
}

async function changeChannel(deployment: Deployment, { id }: Channel, verb: 'pause' | 'resume'): Promise<void> {
  const url = new URL(`/v1/channels/${id}/${verb}`, deployment.apiUrl)
  const response = await fetch(url, { method: 'POST', headers: { authorization: `Bearer ${deployment.apiKey}` } })
  if (!response.ok) throw new Error(`the channel could not ${verb}: ${await response.text()}`)
}

/** From receipt to inbox, of each event of a channel, in the order in which they came. */
async function readLags(client: pg.Client, workspace_id: string, { id }: Channel): Promise<number[]> {
  const { rows } = await client.query<{ lag_ms: number }>(
    `select (extract(epoch from processed_at - received_at) * 1000)::float as lag_ms from inbound_events
     where workspace_id = $1 and channel_id = $2 order by id`,
    [workspace_id, id],
  )
  return rows.map(row => row.lag_ms)
}
