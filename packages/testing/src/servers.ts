import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from '@parley/db'
import { startPostgres } from '@parley/postgres-server'
import { migrateQueues } from '@parley/queue'
import pg from 'pg'
import { startRedisServer } from './redis-server.ts'

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
  const redis = await startRedisServer(folder)
  onProgress(redis ? 'Redis is up' : 'no redis-server or valkey-server: the Redis half is not run')
  await createTemplate(postgres.url())
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

/** Makes the owner and the migrated template on a new server. */
export async function createTemplate(postgresUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgresUrl })
  await client.connect()
  await client.query(`create role ${OWNER} login createrole noinherit password '${OWNER}'`)
  await client.query(`create database ${TEMPLATE} owner ${OWNER}`)
  await client.end()
  const template = ownersUrl(postgresUrl, TEMPLATE)
  await migrate(template)
  await migrateQueues(template)
}
