import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { prepareBareSql } from './bare-sql.ts'
import type { Cleanup } from './cleanup.ts'
import { type Corpus, type CorpusMessage, createCorpus } from './corpus.ts'
import { prepareLoad } from './load.ts'
import type { Pgbench } from './pgbench.ts'
import type { Recorder } from './recorder.ts'
import { connectChannel, type Deployment, deploy, type Servers, settle, withClient } from './servers.ts'

const MESSAGES = 20_000
const WARM_UP = 5_000
const BATCH = 100
const CONNECTIONS = 4
const LOOK_EVERY_MS = 20
const GIVE_UP_MS = 300_000

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
    return { bare, seconds: await measureIngest(cleanup, servers, deployment, corpus, messages) }
  }
  await measure('warm-up', WARM_UP)
  // Autovacuum does this in the first minute of any installation; here it would fall between two runs, or in one.
  for (const url of [deployment.databaseUrl, bareSql.databaseUrl]) {
    await withClient(url, client => client.query('analyze'))
  }

  return async (run: number, record: Recorder): Promise<void> => {
    const tps = await pgbench?.measure()
    const { bare, seconds } = await measure(`ingest-${run}`, MESSAGES)
    record.figure('ingest: from webhook to inbox', 'messages/s', MESSAGES / seconds)
    record.figure('reference: the same rows by bare SQL', 'messages/s', MESSAGES / bare)
    record.ratio('ingest_vs_bare_sql', bare / seconds)
    if (tps === undefined) return
    record.figure('reference: pgbench beside ingest', 'transactions/s', tps)
    record.ratio('ingest_vs_pgbench', MESSAGES / seconds / tps)
  }
}

async function measureIngest(
  cleanup: Cleanup,
  servers: Servers,
  deployment: Deployment,
  corpus: Corpus,
  messages: CorpusMessage[],
): Promise<number> {
  const channel = await connectChannel(deployment, corpus.name)
  const url = new URL(`/hooks/${channel.id}`, deployment.apiUrl).href
  const drive = { kind: 'closed' as const, connections: CONNECTIONS }
  const job = { url, signingSecret: channel.signingSecret, corpus, eventsPerRequest: BATCH, drive }
  const load = await prepareLoad(cleanup, job)
  return withClient(deployment.databaseUrl, async client => {
    await client.query(`update channels set connected_at = now() - interval '1 day' where id = $1`, [channel.id])
    const before = await countRows(client)
    await settle(servers)
    const start = performance.now()
    await load.run()
    await untilDrained(client, deployment.workspace_id, channel.id)
    const seconds = (performance.now() - start) / 1000
    compare(await countRows(client), before, expectedRows(messages))
    return seconds
  })
}

/**
 * Waits until no event is pending: an event is closed in the transaction that makes its message visible. Counting the
 * messages instead would take a core's work away from those who make them; they are counted afterwards.
 */
async function untilDrained(client: pg.Client, workspace_id: string, channel_id: string): Promise<void> {
  for (const start = performance.now(); ; await delay(LOOK_EVERY_MS)) {
    const { rows } = await client.query(
      `select exists (select from inbound_events where workspace_id = $1 and channel_id = $2
         and state = 'pending') as pending`,
      [workspace_id, channel_id],
    )
    if (!rows[0].pending) return
    if (performance.now() - start > GIVE_UP_MS) throw new Error('the events were not all applied in the end')
  }
}

type Counts = { messages: number; conversations: number; waits: number; events: number; undone: number }

async function countRows(client: pg.Client): Promise<Counts> {
  const { rows } = await client.query<Counts>(`
    select (select count(*)::int from messages) as messages, (select count(*)::int from conversations) as conversations,
      (select count(*)::int from waits) as waits,
      (select count(*)::int from events where conversation_id is not null) as events,
      (select count(*)::int from inbound_events where state <> 'done') as undone`)
  return rows[0]!
}

function expectedRows(messages: CorpusMessage[]): Counts {
  const conversations = messages.filter(message => message.opens).length
  const waits = new Set(messages.map(message => `${message.thread_id} ${message.author.platform_id}`)).size
  return { messages: messages.length, conversations, waits, events: messages.length + conversations, undone: 0 }
}

/** A fast answer that is wrong is no answer. */
function compare(after: Counts, before: Counts, expected: Counts): void {
  for (const name of Object.keys(expected) as (keyof Counts)[]) {
    const added = after[name] - before[name]
    if (added !== expected[name]) throw new Error(`${added} ${name} came of it, and not ${expected[name]}`)
  }
}
