import { prepareBareSql } from './bare-sql.ts'
import type { Cleanup } from './cleanup.ts'
import { type Corpus, type CorpusMessage, createCorpus } from './corpus.ts'
import { prepareLoad } from './load.ts'
import { compare, connectLongAgo, countRows, expectedRows, untilDrained } from './outcome.ts'
import type { Pgbench } from './pgbench.ts'
import { type ProcessorMs, readProcessorMs } from './processor-time.ts'
import type { Recorder } from './recorder.ts'
import { type Channel, connectChannel, type Deployment, deploy, type Servers, settle, withClient } from './servers.ts'

export const MESSAGES = 20_000
export const WARM_UP = 5_000
const BATCH = 100
const CONNECTIONS = 4

/**
 * From the first signed webhook until the last message can be read, with its conversation, wait and events: one API
 * and one worker process, one channel, which is drained in order by one transaction at a time.
 */
export async function prepareIngest(cleanup: Cleanup, servers: Servers, pgbench: Pgbench | undefined) {
  const deployment = await deploy(cleanup, servers, 'parley_ingest', ['api', 'worker'])
  const bareSql = await prepareBareSql(servers)
  const measure = async (name: string, count: number) => {
    // Before the channel is connected nobody waits, so it was connected long before the customers wrote.
    const corpus: Corpus = { name, count, startedAt: Date.now() - 60_000 }
    const messages = createCorpus(corpus)
    await settle(servers)
    const bare = await bareSql.measure(messages)
    await settle(servers)
    const channel = await connectChannel(deployment, name)
    return { bare, ...(await measureIngest(cleanup, servers, deployment, channel, corpus, messages)) }
  }
  await measure('warm-up', WARM_UP)
  // Autovacuum does this in the first minute of any installation; here it would fall between two runs, or in one.
  for (const url of [deployment.databaseUrl, bareSql.databaseUrl]) {
    await withClient(url, client => client.query('analyze'))
  }

  return async (run: number, record: Recorder): Promise<void> => {
    const tps = await pgbench?.measure()
    const { bare, seconds, used } = await measure(`ingest-${run}`, MESSAGES)
    record.figure('ingest: from webhook to inbox', 'messages/s', MESSAGES / seconds)
    record.figure('reference: the same rows by bare SQL', 'messages/s', MESSAGES / bare)
    for (const [who, ms] of Object.entries(used ?? {})) {
      record.figure(`ingest: processor time of ${who}`, 'µs/message', (ms * 1000) / MESSAGES)
    }
    record.ratio('ingest_vs_bare_sql', bare / seconds)
    if (tps === undefined) return
    record.figure('reference: pgbench beside ingest', 'transactions/s', tps)
    record.ratio('ingest_vs_pgbench', MESSAGES / seconds / tps)
  }
}

/** How long it took until the last message could be read, and what that used of the processors. */
export type Ingested = { seconds: number; used: ProcessorMs | undefined }

/** Posts the messages of the corpus to a channel. */
export async function measureIngest(
  cleanup: Cleanup,
  servers: Servers,
  deployment: Deployment,
  channel: Channel,
  corpus: Corpus,
  messages: CorpusMessage[],
): Promise<Ingested> {
  const url = new URL(`/hooks/${channel.id}`, deployment.apiUrl).href
  const drive = { kind: 'closed' as const, connections: CONNECTIONS }
  const job = { url, signingSecret: channel.signingSecret, corpus, eventsPerRequest: BATCH, drive }
  const load = await prepareLoad(cleanup, job)
  return withClient(deployment.databaseUrl, async client => {
    await connectLongAgo(client, channel)
    const before = await countRows(client)
    await settle(servers)
    const usedBefore = await readProcessorMs(servers, deployment)
    const start = performance.now()
    await load.run()
    await untilDrained(client, deployment.workspace_id, channel.id)
    const seconds = (performance.now() - start) / 1000
    const usedAfter = await readProcessorMs(servers, deployment)
    compare(await countRows(client), before, expectedRows(messages))
    return { seconds, used: usedBefore && usedAfter && difference(usedAfter, usedBefore) }
  })
}

function difference(after: ProcessorMs, before: ProcessorMs): ProcessorMs {
  const names = Object.keys(after) as (keyof ProcessorMs)[]
  return Object.fromEntries(names.map(name => [name, after[name] - before[name]])) as ProcessorMs
}
