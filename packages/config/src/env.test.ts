import { randomBytes } from 'node:crypto'
import { test } from 'tap'
import { ConfigError, QUEUE_NAMES, readConfig } from './env.ts'

const SECRET_KEY = Buffer.alloc(32, 7).toString('base64')
const CANARY = 'canary-secret-value'

/** The words in which an environment is refused. */
function refusal(env: Record<string, string>, required: Parameters<typeof readConfig>[1] = []): string {
  try {
    readConfig(env, required)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return ''
}

test('without any variable everything that has a default has it', async t => {
  t.same(readConfig({}), {
    PORT: 8080,
    HOST: '127.0.0.1',
    PARLEY_DATA_DIR: '.parley',
    PARLEY_ALLOW_PRIVATE_TARGETS: [],
    PARLEY_TRUSTED_PROXIES: [],
    PARLEY_LEDGER_DAYS: 30,
    PARLEY_MAX_ATTACHMENT_BYTES: 26_214_400,
    PARLEY_S3_REGION: 'us-east-1',
    WORKER_QUEUES: [...QUEUE_NAMES],
    LOG_LEVEL: 'info',
  })
})

test('an empty variable counts as absent', async t => {
  const names = ['PORT', 'HOST', 'DATABASE_URL', 'REDIS_URL', 'PARLEY_SECRET_KEY', 'PARLEY_ADMIN_KEY', 'WORKER_QUEUES']
  t.same(readConfig(Object.fromEntries(names.map(name => [name, '']))), readConfig({}))
  t.same(readConfig({ PORT: undefined }), readConfig({}))
  t.match(refusal({ DATABASE_URL: '' }, ['DATABASE_URL']), /DATABASE_URL is not set/)
})

test('good values are read', async t => {
  const admin = `parley_${randomBytes(32).toString('base64url')}`
  const config = readConfig({
    PORT: '0',
    DATABASE_URL: 'postgresql://user:p%40ss@db:5432/parley?sslmode=require',
    DATABASE_DIRECT_URL: 'postgres:///parley?host=/var/run/postgresql',
    REDIS_URL: 'rediss://:pass@redis:6379/1',
    PARLEY_SECRET_KEY: SECRET_KEY,
    PARLEY_ADMIN_KEY: admin,
    PARLEY_ALLOW_PRIVATE_TARGETS: ' 10.0.0.0/8, fd00::/8,,127.0.0.1/32 ',
    PARLEY_LEDGER_DAYS: '3650',
    PARLEY_WORKER_METRICS_PORT: '9464',
    WORKER_QUEUES: 'ingest, send',
    UNRELATED: CANARY,
  })
  t.equal(config.PORT, 0)
  t.same(config.PARLEY_SECRET_KEY, Buffer.alloc(32, 7))
  t.equal(config.PARLEY_ADMIN_KEY, admin)
  t.same(config.PARLEY_ALLOW_PRIVATE_TARGETS, ['10.0.0.0/8', 'fd00::/8', '127.0.0.1/32'])
  t.equal(config.PARLEY_LEDGER_DAYS, 3650)
  t.equal(config.PARLEY_WORKER_METRICS_PORT, 9464)
  t.same(config.WORKER_QUEUES, ['ingest', 'send'])
  t.notOk('UNRELATED' in config, 'what is not ours is not carried around')
})

test('a bad value is named and never printed', async t => {
  const bad: Record<string, string[]> = {
    PORT: [CANARY, '65536', '-1', '8080.5', '0x1f', '1e3', ' 80', '1234567'],
    DATABASE_URL: [CANARY, `mysql://u:${CANARY}@db/x`, `postgres:/${CANARY}`, `postgres://u:${CANARY}/x@db:port/p`],
    DATABASE_DIRECT_URL: [CANARY, `postgres://u:${CANARY}@db:99999/p`],
    DATABASE_REPLICA_URL: [CANARY],
    REDIS_URL: [CANARY, `http://:${CANARY}@redis`, `redis://:${CANARY}/1@redis:x`],
    PARLEY_SECRET_KEY: [CANARY, SECRET_KEY.slice(0, -4), `${SECRET_KEY}A`, Buffer.alloc(16, 7).toString('base64')],
    PARLEY_ADMIN_KEY: [CANARY, `parley_${CANARY}`, `parley_${'a'.repeat(44)}`, 'a'.repeat(43)],
    PARLEY_ALLOW_PRIVATE_TARGETS: [CANARY, `10.0.0.0/8,${CANARY}`, '10.0.0.1', '10.0.0.0/33', 'fd00::/129'],
    PARLEY_LEDGER_DAYS: [CANARY, '0', '3651', '-1', '1.5'],
    PARLEY_WORKER_METRICS_PORT: [CANARY, '65536'],
    WORKER_QUEUES: [CANARY, `ingest,${CANARY}`, ' , ', '__proto__'],
    LOG_LEVEL: [CANARY, 'INFO'],
  }
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      const message = refusal({ [name]: value })
      t.match(message, new RegExp(`^  ${name} .*(must|expected)`, 'm'), `${name}=${value}`)
      t.notOk(message.includes(value), `${name}=${value} is not printed: ${message}`)
      t.notMatch(message, CANARY)
    }
  }
})

test('all that is wrong is named at once', async t => {
  const message = refusal({ PORT: 'x', LOG_LEVEL: 'x', REDIS_URL: 'x' })
  for (const name of ['PORT', 'LOG_LEVEL', 'REDIS_URL']) t.match(message, name)
})

test('a variable that this process needs is named when it is missing', async t => {
  const required = ['DATABASE_URL', 'PARLEY_SECRET_KEY'] as const
  const message = refusal({ REDIS_URL: 'redis://localhost' }, required)
  t.match(message, /DATABASE_URL is not set/)
  t.match(message, /PARLEY_SECRET_KEY is not set/)
  t.notMatch(message, /REDIS_URL/)
  const config = readConfig({ DATABASE_URL: 'postgres://db/p', PARLEY_SECRET_KEY: SECRET_KEY }, required)
  t.equal(config.DATABASE_URL, 'postgres://db/p')
})
