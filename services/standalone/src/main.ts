import { join, resolve } from 'node:path'
import { type Config, ConfigError, readConfig } from '@parley/config'
import { bootstrapWorkspace, createAdminKey } from '@parley/core'
import { generateApiKey, openDatabase } from '@parley/db'
import { fillDemo } from './demo.ts'
import { type EmbeddedDatabase, startEmbeddedDatabase } from './embedded-database.ts'
import { restClient } from './rest.ts'
import { loadSecrets, type Secrets } from './secrets.ts'
import { ensurePortIsFree, type Service, startService, stopService, untilReady } from './services.ts'
import { createTrialChannel, firstSteps } from './welcome.ts'

const HELP = `Runs all of Parley in one command: PostgreSQL, migrations, API and worker.

  npm start                 start, with the data in .parley (PARLEY_DATA_DIR)
  npm start -- --demo       and fill in a day of conversations
  npm start -- --new-key    and make another admin key, when the first one is lost

With DATABASE_URL it uses that PostgreSQL instead of its own, with REDIS_URL that Redis for its queues.
PORT and HOST say where it listens; the README lists every variable.
`

const say = (line: string) => void process.stdout.write(`${line}\n`)

async function main(args: string[]): Promise<void> {
  if (args.includes('--help')) return say(HELP)
  const unknown = args.find(arg => arg !== '--demo' && arg !== '--new-key')
  if (unknown) throw new ConfigError(`There is no option ${unknown}; npm start -- --help lists them.`)
  const config = readConfig(process.env)
  await ensurePortIsFree(config.PORT, config.HOST)
  const dataDir = resolve(config.PARLEY_DATA_DIR)
  const secrets = await loadSecrets(dataDir)
  const running = new Running()
  running.stopOnSignals()
  try {
    const databaseUrl = config.DATABASE_URL ?? (await running.startDatabase(dataDir, secrets))
    await start(config, args, running, databaseUrl, secrets)
  } catch (error) {
    await running.stop()
    throw error
  }
}

async function start(
  config: Config,
  args: string[],
  running: Running,
  databaseUrl: string,
  secrets: Secrets,
): Promise<void> {
  const env = {
    ...process.env,
    DATABASE_URL: databaseUrl,
    PARLEY_SECRET_KEY: process.env.PARLEY_SECRET_KEY || secrets.secretKey,
    PARLEY_ADMIN_KEY: undefined,
    LOG_LEVEL: process.env.LOG_LEVEL || 'warn',
  }
  say('bringing the database up to date')
  const migrated = await running.start('migrate', env).exited
  if (running.stopping) return
  if (migrated !== 0) throw new Error('The migration failed; its message stands above.')
  const key = config.PARLEY_ADMIN_KEY ?? generateApiKey()
  const created = await createKeys(databaseUrl, key, args.includes('--new-key'))

  say('starting the API and the worker')
  const api = running.startUntilStopped('api', env)
  running.startUntilStopped('worker', env)
  const url = `http://${config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST}:${config.PORT}`
  await untilReady(api, url)

  say(`\nParley listens on ${url}  (API: ${url}/docs)`)
  const rest = restClient(url, key)
  if (created.inbox_id) say(firstSteps(url, key, await createTrialChannel(rest, created.inbox_id), new Date()))
  else if (created.newKey) say(`\n  New admin key, shown only now:  ${key}\n`)
  else say('The admin key was shown at the first start; npm start -- --new-key makes another one.')
  if (args.includes('--demo')) {
    if (created.inbox_id || created.newKey) await fillDemo(url, rest, new Date(), say)
    else say('The demo needs an admin key: npm start -- --demo --new-key')
  }
  say('Stop with Ctrl-C.')
}

async function createKeys(
  databaseUrl: string,
  key: string,
  newKey: boolean,
): Promise<{ inbox_id?: string; newKey?: boolean }> {
  const db = openDatabase({ url: databaseUrl, poolSize: 1 })
  try {
    const created = await bootstrapWorkspace(db, key, new Date())
    if (created) return { inbox_id: created.inbox_id }
    return { newKey: newKey && (await createAdminKey(db, key, new Date())) }
  } finally {
    await db.close()
  }
}

/** What was started, and how it ends: the services first, then the database under them. */
class Running {
  stopping = false
  #database: EmbeddedDatabase | undefined
  readonly #services: Service[] = []

  async startDatabase(dataDir: string, secrets: Secrets): Promise<string> {
    say('starting PostgreSQL')
    this.#database = await startEmbeddedDatabase(join(dataDir, 'postgres'), secrets.databasePassword, say)
    return this.#database.url
  }

  start(name: 'migrate' | 'api' | 'worker', env: Record<string, string | undefined>): Service {
    const service = startService(name, env)
    this.#services.push(service)
    return service
  }

  /** A service that must not end by itself: when it does, everything ends, for a supervisor to start it cleanly. */
  startUntilStopped(name: 'api' | 'worker', env: Record<string, string | undefined>): Service {
    const service = this.start(name, env)
    void service.exited.then(code => {
      if (this.stopping) return
      say(`The ${name} ended unexpectedly (${code ?? 'killed'}).`)
      void this.stop().then(() => process.exit(1))
    })
    return service
  }

  stopOnSignals(): void {
    const stop = () => {
      if (this.stopping) return
      say('\nstopping')
      void this.stop().then(() => process.exit(0))
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
  }

  async stop(): Promise<void> {
    this.stopping = true
    await Promise.all(this.#services.map(stopService))
    await this.#database?.server.stop()
  }
}

main(process.argv.slice(2)).catch(error => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  process.exit(1)
})
