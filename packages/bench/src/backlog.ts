import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { fillBacklog } from './backlog-generator.ts'
import { type Cleanup, within } from './cleanup.ts'
import { connectLongAgo, isDrained } from './outcome.ts'
import type { Recorder } from './recorder.ts'
import { median } from './report.ts'
import {
  type BenchDatabase,
  type Channel,
  connectChannel,
  createDatabase,
  dropDatabase,
  type Servers,
  settle,
  startServices,
  withClient,
} from './servers.ts'

const EVENTS = 1_000_000
const DRAIN_MS = 60_000
const LOOK_EVERY_MS = 250
const NO_PROC = 'not run, needs /proc/<pid>/status, which only Linux has'

/** How much memory a worker takes that finds a million undone events of one channel when it starts. */
export async function prepareBacklog(cleanup: Cleanup, servers: Servers, say: (line: string) => void, events = EVENTS) {
  return async (run: number, record: Recorder): Promise<void> => {
    if (process.platform !== 'linux') return record.notRun('worker_rss_mb', NO_PROC)
    const database = await createDatabase(servers, `parley_backlog_${run}`)
    const channel = await within(cleanup, async services =>
      connectChannel(await startServices(services, servers, database, ['api']), 'backlog'),
    )
    await withClient(database.databaseUrl, async client => {
      await connectLongAgo(client, channel)
      await fillBacklog(client, { ...database, channel_id: channel.id }, events, say)
    })
    await settle(servers)
    const { rssMb, seconds } = await within(cleanup, services => drain(services, servers, database, channel))
    const done = await countDone(database, events)
    await dropDatabase(servers, database)
    record.figure('backlog: events drained', 'events/s', done / seconds)
    record.figure('backlog: median memory of the worker', 'MB', median(rssMb))
    record.ratio('worker_rss_mb', Math.max(...rssMb))
  }
}

/** Lets a worker work for a minute, or until nothing is left, and looks at its memory all the time. */
async function drain(services: Cleanup, servers: Servers, database: BenchDatabase, channel: Channel) {
  const { pids } = await startServices(services, servers, database, ['api', 'worker'])
  return withClient(database.databaseUrl, async client => {
    const rssMb: number[] = []
    const start = performance.now()
    do {
      rssMb.push(await readRssMb(pids.worker!))
      await delay(LOOK_EVERY_MS)
    } while (performance.now() - start < DRAIN_MS && !(await isDrained(client, database.workspace_id, channel.id)))
    return { rssMb, seconds: (performance.now() - start) / 1000 }
  })
}

/** The resident set of a process, in millions of bytes. */
async function readRssMb(pid: number): Promise<number> {
  const kibibytes = /^VmRSS:\s*(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (!kibibytes) throw new Error('the worker ended')
  return (Number(kibibytes) * 1024) / 1_000_000
}

/** Events that became messages. One that became nothing, or a drain that did not begin, is no measurement. */
async function countDone({ databaseUrl }: BenchDatabase, events: number): Promise<number> {
  const { rows } = await withClient(databaseUrl, client =>
    client.query<{ messages: number; done: number; pending: number }>(
      `select (select count(*)::int from messages) as messages,
         count(*) filter (where state = 'done')::int as done, count(*) filter (where state = 'pending')::int as pending
       from inbound_events`,
    ),
  )
  const { messages, done, pending } = rows[0]!
  if (done === 0 || messages !== done || done + pending !== events) {
    throw new Error(`of ${events} events ${pending} are pending, and ${done} came to ${messages} messages`)
  }
  return done
}
