import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { bootstrapWorkspace } from '@parley/core'
import { generateApiKey, migrate, openDatabase } from '@parley/db'
import { startPostgres } from '@parley/postgres-server'
import { migrateQueues } from '@parley/queue'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { Cleanup } from './cleanup.ts'
import { type Started, startProgram } from './processes.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** Guards nothing: the databases it seals for are thrown away. */
const SECRET_KEY = Buffer.alloc(32, 7).toString('base64')
const START_MS = 30_000

export type Servers = {
  /** Connects as the superuser. */
  postgresUrl: (database?: string) => string
  /** Undefined when this machine has no redis-server and no valkey-server: the queue then is in Postgres. */
  redisUrl: string | undefined
  /** For logs; removed in the end. */
  folder: string
  /** What the results depend on, for the head of the report. */
  description: string
}

/**
 * Starts a PostgreSQL that is as durable as a real one, and a Redis where there is one.
 * @param keep a folder in which the databases that take minutes to fill stay for the next time
 */
export async function startServers(
  cleanup: Cleanup,
  say: (line: string) => void,
  keep?: string | undefined,
): Promise<Servers> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-bench-'))
  cleanup.defer(() => rm(folder, { recursive: true, force: true }))
  // Under root PostgreSQL runs as another user, who has to come through here.
  await chmod(folder, 0o711)
  say('starting PostgreSQL with durable settings')
  const starting = startPostgres({
    dataDir: join(keep ?? folder, 'postgres'),
    // Postgres' own defaults, written out because everything here depends on them; only shared_buffers is not one.
    settings: { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on', shared_buffers: '1GB' },
    onProgress: say,
  })
  cleanup.defer(async () => {
    const server = await starting.catch(() => undefined)
    await server?.stop(keep ? 'fast' : 'immediate')
    if (server && !keep) await rm(server.dataDir, { recursive: true, force: true })
  })
  const postgres = await starting
  const redisUrl = await startRedis(cleanup, folder)
  say(redisUrl ? 'Redis is up: the queue is there' : 'no redis-server or valkey-server: the queue is in Postgres')
  const description = await describe(postgres.url(), redisUrl)
  return { postgresUrl: database => postgres.url(database), redisUrl, folder, description }
}

async function describe(postgresUrl: string, redisUrl: string | undefined): Promise<string> {
  const names = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers']
  const values = await withClient(postgresUrl, async client => {
    const { rows } = await client.query('select name, setting, unit from pg_settings where name = any($1)', [names])
    const settings = new Map<string, string>(rows.map(row => [row.name, row.setting]))
    const shared = (await client.query('show shared_buffers')).rows[0].shared_buffers
    return names.map(name => (name === 'shared_buffers' ? shared : settings.get(name)))
  })
  const [version, ...settings] = values
  const pairs = names.slice(1).map((name, index) => `${name}=${settings[index]}`)
  return `PostgreSQL ${version} (${pairs.join(', ')}), queue ${redisUrl ? 'in Redis' : 'in Postgres'}, Node ${process.version}`
}

export type BenchDatabase = {
  name: string
  databaseUrl: string
  /** Of an administrator of the one workspace. */
  apiKey: string
  workspace_id: string
  inbox_id: string
}

type Service = 'api' | 'worker'

/** A real API, and on demand a worker, on a database of their own. */
export type Deployment = BenchDatabase & {
  apiUrl: URL
  pids: Partial<Record<Service, number>>
}

/** Makes a migrated database with its first workspace, in place of what a benchmark before has left under that name. */
export async function createDatabase(servers: Servers, name: string): Promise<BenchDatabase> {
  await withClient(servers.postgresUrl(), async client => {
    await client.query(`drop database if exists ${name} with (force)`)
    await client.query(`create database ${name}`)
  })
  const databaseUrl = servers.postgresUrl(name)
  await migrate(databaseUrl)
  if (!servers.redisUrl) await migrateQueues(databaseUrl)
  const apiKey = generateApiKey()
  const db = openDatabase({ url: databaseUrl, poolSize: 1 })
  const workspace = await bootstrapWorkspace(db, apiKey, new Date())
  await db.close()
  return { name, databaseUrl, apiKey, ...workspace! }
}

/** Removes a database that nothing uses any more. */
export async function dropDatabase(servers: Servers, { name }: Pick<BenchDatabase, 'name'>): Promise<void> {
  await withClient(servers.postgresUrl(), client => client.query(`drop database if exists ${name} with (force)`))
}

/** Starts the services as production does, each a process of its own, on a database that this makes. */
export async function deploy(
  cleanup: Cleanup,
  servers: Servers,
  name: string,
  services: Service[],
): Promise<Deployment> {
  return startServices(cleanup, servers, await createDatabase(servers, name), services)
}

/** Starts services on a database that is there already. */
export async function startServices(
  cleanup: Cleanup,
  servers: Servers,
  database: BenchDatabase,
  services: Service[],
): Promise<Deployment> {
  const env = {
    DATABASE_URL: database.databaseUrl,
    ...(servers.redisUrl ? { REDIS_URL: servers.redisUrl } : {}),
    PARLEY_SECRET_KEY: SECRET_KEY,
    // The network that replies go to, and files, are on this machine.
    PARLEY_ALLOW_PRIVATE_TARGETS: '127.0.0.0/8',
    PARLEY_BLOB_DIR: join(servers.folder, 'blobs'),
    NODE_ENV: 'production',
    PORT: '0',
  }
  const started = await Promise.all(
    services.map(service => startService(cleanup, servers, database.name, service, env)),
  )
  const address = started.find(({ logged }) => logged[1])?.logged[1]
  return {
    ...database,
    apiUrl: new URL(address!),
    pids: Object.fromEntries(services.map((service, index) => [service, started[index]!.pid])),
  }
}

async function startService(
  cleanup: Cleanup,
  servers: Servers,
  name: string,
  service: Service,
  env: Record<string, string>,
): Promise<{ logged: RegExpExecArray; pid: number }> {
  const log = join(servers.folder, `${name}-${service}.log`)
  // PARLEY_BENCH_NODE_OPTIONS: for a profile, such as --cpu-prof --cpu-prof-dir=/tmp/profiles
  const nodeOptions = (process.env.PARLEY_BENCH_NODE_OPTIONS ?? '').split(' ').filter(Boolean)
  const args = [...nodeOptions, join(ROOT, `services/${service}/dist/main.js`)]
  const started = await startProgram(cleanup, process.execPath, args, { log, env, cwd: ROOT })
  const ready = service === 'api' ? /"address":"(http:[^"]+)"/ : /"msg":"working"/
  return { logged: await untilLogged(started!, log, ready), pid: started!.process.pid! }
}

async function untilLogged({ process: child }: Started, log: string, pattern: RegExp): Promise<RegExpExecArray> {
  for (const start = performance.now(); ; ) {
    const text = await readFile(log, 'utf8')
    const found = pattern.exec(text)
    if (found) return found
    if (child.exitCode !== null) throw new Error(`a service ended at its start:\n${text}`)
    if (performance.now() - start > START_MS) throw new Error(`a service did not start:\n${text}`)
    await delay(25)
  }
}

export type Channel = { id: string; signingSecret: string }

/** Connects a generic channel over the API, as an integration does. */
export async function connectChannel(deployment: Deployment, name: string): Promise<Channel> {
  const response = await fetch(new URL('/v1/channels', deployment.apiUrl), {
    method: 'POST',
    headers: { authorization: `Bearer ${deployment.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'generic', name, inbox_id: deployment.inbox_id }),
  })
  const body = (await response.json()) as { id: string; generated_credentials: { signing_secrets: [string] } }
  if (!response.ok) throw new Error(`the channel was refused: ${JSON.stringify(body)}`)
  return { id: body.id, signingSecret: body.generated_credentials.signing_secrets[0] }
}

/** Runs `work` with a connection of its own. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  // Cleaning up after Ctrl-C cuts connections that are still in use.
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}

/** Writes out what the measurement before has left in memory, so that this one does not pay for it. */
export async function settle(servers: Servers): Promise<void> {
  await withClient(servers.postgresUrl(), client => client.query('checkpoint'))
}

async function startRedis(cleanup: Cleanup, folder: string): Promise<string | undefined> {
  for (const program of ['redis-server', 'valkey-server']) {
    const port = await freePort()
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    if (!(await startProgram(cleanup, program, args, { log: join(folder, `${program}.log`), cwd: folder }))) continue
    const url = `redis://127.0.0.1:${port}`
    await untilRedisAnswers(url)
    return url
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
