import { type Cleanup, within } from './cleanup.ts'
import { createCorpus } from './corpus.ts'
import { fillHistory } from './history-generator.ts'
import { MESSAGES, measureIngest, WARM_UP } from './ingest.ts'
import { connectLongAgo } from './outcome.ts'
import type { Recorder } from './recorder.ts'
import {
  type BenchDatabase,
  type Channel,
  connectChannel,
  createDatabase,
  type Servers,
  startServices,
  withClient,
} from './servers.ts'

const SMALL = 10_000
const LARGE = 5_000_000

type Installation = { database: BenchDatabase; channel: Channel }

/** How much slower messages come in where millions are stored already than where there are few. */
export async function prepareHistory(cleanup: Cleanup, servers: Servers, say: (line: string) => void, stored = LARGE) {
  const small = await install(cleanup, servers, 'parley_history_small', SMALL, say)
  const large = await install(cleanup, servers, 'parley_history_large', stored, say)

  return async (run: number, record: Recorder): Promise<void> => {
    const few = await measure(cleanup, servers, small, `history-small-${run}`)
    const many = await measure(cleanup, servers, large, `history-large-${run}`)
    record.figure(`ingest with ${SMALL} messages stored`, 'messages/s', few)
    record.figure(`ingest with ${stored} messages stored`, 'messages/s', many)
    record.ratio('ingest_history_slowdown', few / many)
  }
}

async function install(
  cleanup: Cleanup,
  servers: Servers,
  name: string,
  stored: number,
  say: (line: string) => void,
): Promise<Installation> {
  const database = await createDatabase(servers, name)
  const channel = await within(cleanup, async services =>
    connectChannel(await startServices(services, servers, database, ['api']), 'history'),
  )
  const { workspace_id, inbox_id, databaseUrl } = database
  await withClient(databaseUrl, async client => {
    await connectLongAgo(client, channel)
    await fillHistory(client, { workspace_id, inbox_id, channel_id: channel.id }, stored, say)
  })
  return { database, channel }
}

/** Messages per second, into the channel that has the history. The services of the other database do not run beside it. */
async function measure(
  cleanup: Cleanup,
  servers: Servers,
  { database, channel }: Installation,
  name: string,
): Promise<number> {
  return within(cleanup, async services => {
    const deployment = await startServices(services, servers, database, ['api', 'worker'])
    const ingest = (corpusName: string, count: number) => {
      const corpus = { name: corpusName, count, startedAt: Date.now() - 60_000 }
      return measureIngest(services, servers, deployment, channel, corpus, createCorpus(corpus))
    }
    await ingest(`${name}-warm-up`, WARM_UP)
    return MESSAGES / (await ingest(name, MESSAGES)).seconds
  })
}
