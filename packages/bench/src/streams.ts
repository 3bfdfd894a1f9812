import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { appendEvents, generateApiKey, hashToken, insertApiKey, insertInbox, newId, openDatabase } from '@parley/db'
import { openWakeUps } from '@parley/queue'
import type { Cleanup } from './cleanup.ts'
import type { Recorder } from './recorder.ts'
import { percentile } from './report.ts'
import { deploy, type Servers, settle, withClient } from './servers.ts'
import { followEvents } from './stream-reader.ts'

const IDLE = 10_000
/** One key opens no more. */
const STREAMS_PER_KEY = 100
const OPENED_AT_ONCE = 50
const READERS = 5
const PER_SECOND = 500
const SECONDS = 10
const COUNTED_MS = 12_000
const QUIET_MS = 10_000
const ARRIVED_MS = 60_000

/**
 * How long after its commit an event arrives at those who follow it, at five hundred a second, while ten thousand others of
 * the same workspace, who see another inbox, have their streams open on the same process of the API.
 */
export async function prepareStreams(cleanup: Cleanup, servers: Servers, idle = IDLE) {
  const deployment = await deploy(cleanup, servers, 'parley_streams', ['api'])
  const { apiUrl, apiKey, databaseUrl, workspace_id, inbox_id } = deployment
  const db = openDatabase({ url: databaseUrl, poolSize: 8 })
  cleanup.defer(() => db.close())
  const wakeUps = openWakeUps(
    servers.redisUrl ? { kind: 'redis', url: servers.redisUrl } : { kind: 'postgres', url: databaseUrl },
  )
  cleanup.defer(() => wakeUps.close())
  const other = newId(new Date())
  await db.inWorkspace(workspace_id, trx => insertInbox(trx, { id: other, name: 'Other', created_at: new Date() }))

  /** Commits one event as a change does, and wakes the streams. Returns when the commit was known here. */
  const write = async (number: string, inbox: string): Promise<number> => {
    await db.inWorkspace(workspace_id, trx =>
      appendEvents(trx, [
        {
          ...{ type: 'message.received', at: new Date(), actor: { type: 'system', id: null } },
          data: { number, inbox_id: inbox, text: 'Where is my order? '.repeat(10) },
        },
      ]),
    )
    const committed = performance.now()
    wakeUps.publish(workspace_id)
    return committed
  }

  const memoryMb = () => residentMb(deployment.pids.api)
  const memoryBefore = await memoryMb()
  let heardByIdle: number[] = []
  const keys = await addKeys(db, workspace_id, other, Math.ceil(idle / STREAMS_PER_KEY))
  for (let opened = 0; opened < idle; opened += OPENED_AT_ONCE) {
    const some = Array.from({ length: Math.min(OPENED_AT_ONCE, idle - opened) }, async (_, index) => {
      const key = keys[Math.floor((opened + index) / STREAMS_PER_KEY)]!
      const stream = await followEvents(apiUrl, key, () => heardByIdle.push(performance.now()))
      cleanup.defer(async () => stream.close())
    })
    await Promise.all(some)
  }
  const arrivals: Map<string, number>[] = []
  for (let reader = 0; reader < READERS; reader += 1) {
    const arrived = new Map<string, number>()
    arrivals.push(arrived)
    const stream = await followEvents(apiUrl, apiKey, data =>
      arrived.set(JSON.parse(data).data.number, performance.now()),
    )
    cleanup.defer(async () => stream.close())
  }

  const measureArrival = async (name: string, seconds: number): Promise<number[]> => {
    const committed = new Map<string, number>()
    const start = performance.now()
    const writes = Array.from({ length: seconds * PER_SECOND }, async (_, index) => {
      await delay(start + (index * 1000) / PER_SECOND - performance.now())
      const number = `${name}-${index}`
      committed.set(number, await write(number, inbox_id))
    })
    await Promise.all(writes)
    const numbers = [...committed.keys()]
    await until('every event has arrived', () =>
      arrivals.every(arrived => numbers.every(number => arrived.has(number))),
    )
    // A reader may hear of a commit before its writer does.
    return arrivals.flatMap(arrived =>
      numbers.map(number => Math.max(0, arrived.get(number)! - committed.get(number)!)),
    )
  }
  await measureArrival('warm-up', 2)

  return async (run: number, record: Recorder): Promise<void> => {
    const commits = () =>
      withClient(databaseUrl, async client => {
        const { rows } = await client.query(
          'select xact_commit::int as count from pg_stat_database where datname = current_database()',
        )
        return rows[0].count as number
      })
    await settle(servers)
    // PostgreSQL counts up to ten seconds late what a connection did before it had nothing to do.
    await delay(COUNTED_MS)
    const before = await commits()
    await delay(QUIET_MS)
    record.figure(
      'streams: transactions while nothing happens',
      '1/s',
      ((await commits()) - before) / (QUIET_MS / 1000),
    )
    const took = await measureArrival(`run-${run}`, SECONDS)
    record.figure(`streams: p50 from commit to arrival, ${idle} idle ones beside`, 'ms', percentile(took, 0.5))
    record.figure('streams: longest', 'ms', Math.max(...took))
    record.ratio('sse_p99_ms', percentile(took, 0.99))
    heardByIdle = []
    const committed = await write(`all-${run}`, other)
    await until('all have heard', () => heardByIdle.length >= idle)
    if (idle > 0) {
      record.figure(`streams: one event to ${idle} readers, p99`, 'ms', percentile(heardByIdle, 0.99) - committed)
      record.figure('streams: memory per idle stream', 'kB', (((await memoryMb()) - memoryBefore) * 1024) / idle)
    }
  }
}

/** Keys of integrations that see one inbox. */
async function addKeys(db: ReturnType<typeof openDatabase>, workspace_id: string, inbox_id: string, count: number) {
  const created_at = new Date()
  const keys = Array.from({ length: count }, generateApiKey)
  await db.inWorkspace(workspace_id, async trx => {
    for (const key of keys) {
      const row = { id: newId(created_at), name: 'Idle', role: 'agent' as const, created_at, inbox_ids: [inbox_id] }
      await insertApiKey(trx, { ...row, key_hash: hashToken(key), key_hint: '…' })
    }
  })
  return keys
}

/** 0 where there is no /proc. */
async function residentMb(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024
}

async function until(what: string, ask: () => boolean): Promise<void> {
  const start = performance.now()
  while (!ask()) {
    if (performance.now() - start > ARRIVED_MS) throw new Error(`waited in vain until ${what}`)
    await delay(20)
  }
}
