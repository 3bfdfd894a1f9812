import { setTimeout as delay } from 'node:timers/promises'
import { type Database, listWorkspacesToWarn, listWorkspacesWithDueClocks, openDatabase } from '@parley/db'
import type pg from 'pg'
import { type Cleanup, within } from './cleanup.ts'
import { clockId, fillClocks } from './clock-generator.ts'
import { inTurns } from './in-turns.ts'
import type { Recorder } from './recorder.ts'
import { median, percentile } from './report.ts'
import {
  type BenchDatabase,
  connectChannel,
  createDatabase,
  type Servers,
  settle,
  startServices,
  withClient,
} from './servers.ts'

const SMALL = 10_000
const LARGE = 1_000_000
const ROUNDS = 500
const WARM_UP_ROUNDS = 100
/** So many fall due in one second. */
const STORM = 10_000
const PER_SECOND = 50
const SECONDS = 40
/** Until the first of them falls due, so that they are all written by then. */
const AHEAD_MS = 5_000
const RECORDED_MS = 120_000

/**
 * What it costs to find what has fallen due beside a million clocks that have not, and how soon it is recorded: one at a time,
 * and ten thousand at once. One worker does it, with everything else that a worker does.
 */
export async function prepareSla(cleanup: Cleanup, servers: Servers, say: (line: string) => void, clocks = LARGE) {
  const small = await install(cleanup, servers, 'parley_sla_small', SMALL)
  say(`sla: ${SMALL} clocks are there`)
  const large = await install(cleanup, servers, 'parley_sla_large', clocks)
  say(`sla: ${clocks} clocks are there`)
  const ticks = { small: idleTick(cleanup, small), large: idleTick(cleanup, large) }
  await inTurns(ticks, WARM_UP_ROUNDS)
  let fallen = 0

  return async (_run: number, record: Recorder): Promise<void> => {
    const took = await inTurns(ticks, ROUNDS)
    record.figure(`sla: p50 of a tick with nothing due, ${SMALL} clocks`, 'ms', median(took.small))
    record.ratio('idle_tick_ms', median(took.large))
    record.ratio('idle_tick_growth', median(took.large) / median(took.small))
    await within(cleanup, async services => {
      await startServices(services, servers, large, ['api', 'worker'])
      const steady = await fall(large, { first: fallen + 1, count: PER_SECOND * SECONDS, within_ms: SECONDS * 1000 })
      fallen += PER_SECOND * SECONDS
      record.figure(`sla: p50 of the lag of a breach, ${PER_SECOND} a second`, 'ms', percentile(steady.lags, 0.5))
      record.ratio('breach_lag_p99_ms', percentile(steady.lags, 0.99))
      await settle(servers)
      const count = Math.min(STORM, Math.floor(clocks / 10))
      const storm = await fall(large, { first: fallen + 1, count, within_ms: 1000 })
      fallen += count
      record.ratio('breach_storm_seconds', storm.seconds)
    })
    const afterwards = await inTurns({ large: ticks.large }, ROUNDS)
    record.figure('sla: p50 of a tick with nothing due, after that', 'ms', median(afterwards.large))
  }
}

async function install(cleanup: Cleanup, servers: Servers, name: string, clocks: number): Promise<BenchDatabase> {
  const database = await createDatabase(servers, name)
  const channel = await within(cleanup, async services =>
    connectChannel(await startServices(services, servers, database, ['api']), 'sla'),
  )
  const place = { ...database, channel_id: channel.id }
  await withClient(database.databaseUrl, client => fillClocks(client, place, clocks))
  return database
}

/** What a worker asks each time whether or not there is anything to do. */
function idleTick(cleanup: Cleanup, { databaseUrl }: BenchDatabase): () => Promise<void> {
  const db: Database = openDatabase({ url: databaseUrl, poolSize: 1 })
  cleanup.defer(() => db.close())
  return async () => {
    const now = new Date()
    const found = await db.asSystem(trx =>
      Promise.all([listWorkspacesWithDueClocks(trx, now), listWorkspacesToWarn(trx, now)]),
    )
    if (found.flat().length > 0) throw new Error('something is due')
  }
}

/**
 * Lets so many clocks fall due, evenly within a time, and waits until all of that is recorded. `lags`: from the due time to its
 * detection; `seconds`: from when the first of them falls due until the last one is recorded.
 */
async function fall(
  { databaseUrl }: BenchDatabase,
  { first, count, within_ms }: { first: number; count: number; within_ms: number },
): Promise<{ lags: number[]; seconds: number }> {
  return withClient(databaseUrl, async client => {
    await client.query('set session_replication_role = replica')
    const ids = `(select ${clockId('n')} as id, n from generate_series(${first}, ${first + count - 1}) n) given`
    const begin = Date.now() + AHEAD_MS
    await client.query(
      `update sla_clocks c set due_at = $1::timestamptz + interval '1 millisecond' * ((n - ${first}) * ${within_ms / count}::float8)
       from ${ids} where c.id = given.id`,
      [new Date(begin)],
    )
    if (Date.now() > begin) throw new Error('they fell due before they were written')
    await delay(begin + within_ms - Date.now())
    await untilRecorded(client, new Date(begin + within_ms))
    const seconds = (Date.now() - begin) / 1000
    const { rows } = await client.query<{ lag: number }>(
      `select (extract(epoch from detected_at - due_at) * 1000)::float8 as lag from sla_clocks c join ${ids} on c.id = given.id
       where breached_at is not null`,
    )
    if (rows.length !== count) throw new Error(`${rows.length} of ${count} breaches are recorded`)
    return { lags: rows.map(({ lag }) => lag), seconds }
  })
}

async function untilRecorded(client: pg.Client, due: Date): Promise<void> {
  for (const start = performance.now(); performance.now() - start < RECORDED_MS; await delay(20)) {
    const { rowCount } = await client.query(
      `select from sla_clocks where state = 'running' and breached_at is null and due_at < $1 limit 1`,
      [due],
    )
    if (rowCount === 0) return
  }
  throw new Error('breaches were not recorded')
}
