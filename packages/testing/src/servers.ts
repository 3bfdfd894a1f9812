import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { migrate } from '@parley/db'
import { startPostgres } from '@parley/postgres-server'
import { migrateQueues } from '@parley/queue'
import { Redis } from 'ioredis'
import pg from 'pg'

/** The migrated database that every test's own database is copied from. */
export const TEMPLATE = 'parley_template'

/** Owns the databases and is no superuser, like the user of a hosted PostgreSQL. */
const OWNER = 'parley_owner'

/** A database of the test server, as its owner sees it. */
export function ownersUrl(postgresUrl: string, database: string): string {
  const url = new URL(postgresUrl)
  url.username = OWNER
  url.password = OWNER
  url.pathname = `/${database}`
  return url.href
}

export type TestServers = {
  /** The server as its superuser, who makes and drops databases. */
  postgresUrl: string
  /** Undefined when this machine has no redis-server and no valkey-server. */
  redisUrl: string | undefined
  stop(): Promise<void>
}

/** Starts a PostgreSQL and a Redis of our own, with the template database migrated. They forget everything. */
export async function startTestServers(onProgress: (message: string) => void): Promise<TestServers> {
  onProgress('starting PostgreSQL')
  const folder = await mkdtemp(join(tmpdir(), 'parley-test-'))
  const postgres = await startPostgres({
    dataDir: join(folder, 'postgres'),
    // Nothing of it needs to survive, and many test files connect at once.
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '400' },
  })
  const redis = await startRedis(folder)
  onProgress(redis ? 'Redis is up' : 'no redis-server or valkey-server: the Redis half is not run')
  const client = new pg.Client({ connectionString: postgres.url() })
  await client.connect()
  await client.query(`create role ${OWNER} login createrole noinherit password '${OWNER}'`)
  await client.query(`create database ${TEMPLATE} owner ${OWNER}`)
  await client.end()
  const template = ownersUrl(postgres.url(), TEMPLATE)
  await migrate(template)
  await migrateQueues(template)
  onProgress('the template database is migrated')
  return {
    postgresUrl: postgres.url(),
    redisUrl: redis?.url,
    stop: async () => {
      await redis?.stop()
      await postgres.stop('immediate')
      await Promise.all([folder, postgres.dataDir].map(path => rm(path, { recursive: true, force: true })))
    },
  }
}

/** Undefined when neither server program is on the PATH. */
async function startRedis(folder: string): Promise<{ url: string; stop(): Promise<void> } | undefined> {
  for (const program of ['redis-server', 'valkey-server']) {
    const port = await freePort()
    const child = spawn(
      program,
      ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--databases', '4096'],
      { cwd: folder, stdio: 'ignore' },
    )
    const started = await new Promise<boolean>(resolve => {
      child.once('spawn', () => resolve(true))
      child.once('error', () => resolve(false))
    })
    if (!started) continue
    const url = `redis://127.0.0.1:${port}`
    await untilRedisAnswers(url)
    return {
      url,
      stop: async () => {
        const exited = new Promise(resolve => child.once('exit', resolve))
        child.kill('SIGTERM')
        await exited
      },
    }
  }
  return undefined
}

async function untilRedisAnswers(url: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const redis = new Redis(url, { lazyConnect: true, retryStrategy: null })
    redis.on('error', () => {})
    try {
      await redis.ping()
      return
    } catch (error) {
      if (tries >= 100) throw error
      await delay(50)
    } finally {
      redis.disconnect()
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
