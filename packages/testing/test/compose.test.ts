import { access, readFile } from 'node:fs/promises'
import { parseEnv } from 'node:util'
import { readConfig } from '@parley/config'
import { Ajv } from 'ajv'
import t from 'tap'
import { parse } from 'yaml'

type Service = {
  image?: string
  build?: string
  command?: string[]
  restart?: string
  environment?: Record<string, string>
  healthcheck?: { test: string[] }
  volumes?: string[]
  ports?: string[]
  depends_on?: Record<string, { condition: string }>
}

const ROOT = new URL('../../../', import.meta.url)
const read = (path: string) => readFile(new URL(path, ROOT), 'utf8')
const text = await read('docker-compose.yml')
const file: { services: Record<string, Service>; volumes: Record<string, unknown> } = parse(text, { merge: true })
const services = Object.entries(file.services)
const longRunning = services.filter(([, { restart }]) => restart !== 'no')
const ours = services.filter(([, { build }]) => build !== undefined)

/** As compose fills it in: `${NAME}`, `${NAME:-default}` and `${NAME:?what to do}`. */
function interpolate(value: string, given: Record<string, string | undefined>): string {
  return value.replace(/\$\{(\w+)(?::-([^}]*)|:\?([^}]*))?\}/g, (_, name, fallback, message) => {
    const found = given[name] || fallback
    if (found === undefined && message !== undefined) throw new Error(`${name}: ${message}`)
    return found ?? ''
  })
}

const variables = new Set([...text.matchAll(/\$\{(\w+)/g)].map(match => match[1]!))
const secrets = {
  POSTGRES_PASSWORD: 'a'.repeat(48),
  PARLEY_SECRET_KEY: Buffer.alloc(32, 1).toString('base64'),
  PARLEY_ADMIN_KEY: `parley_${'A'.repeat(43)}`,
}
const environmentOf = (service: Service, given: Record<string, string | undefined>) =>
  Object.fromEntries(
    Object.entries(service.environment ?? {}).map(([name, value]) => [name, interpolate(value, given)]),
  )

/** Programs in this repository that a command or health check runs, by the source they are compiled from. */
const sourcesOf = (words: string[] = []) =>
  words.filter(word => word.includes('/dist/')).map(word => word.replace('/dist/', '/src/').replace(/\.js$/, '.ts'))

t.test('the compose file follows the Compose Specification', async t => {
  const shipped = await readFile(
    new URL('schemas/compose.schema.json', import.meta.resolve('dclint/package.json')),
    'utf8',
  )
  // Ajv knows draft 7 by another spelling of its address, and need not check the schema itself.
  const { $schema: _, ...schema } = JSON.parse(shipped)
  const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(schema)
  t.ok(validate(file), JSON.stringify(validate.errors, null, 2))
  t.notOk(validate({ ...file, services: { api: { comand: 'typo' } } }), 'a misspelt key is noticed')
})

t.test('every service of ours runs a program of this repository', async t => {
  t.same(ours.map(([name]) => name).sort(), ['api', 'migrate', 'worker'])
  for (const [name, { command, healthcheck }] of ours) {
    t.same(command, ['node', `services/${name}/dist/main.js`])
    for (const source of [...sourcesOf(command), ...sourcesOf(healthcheck?.test)]) {
      await t.resolves(access(new URL(source, ROOT)), source)
    }
  }
})

t.test('the environment of every service of ours is one that it reads', async t => {
  for (const [name, service] of ours) {
    const environment = environmentOf(service, { ...secrets, PARLEY_ALLOW_PRIVATE_TARGETS: '10.0.0.0/8' })
    const config = readConfig(environment, ['DATABASE_URL', 'REDIS_URL', 'PARLEY_SECRET_KEY', 'PARLEY_ADMIN_KEY'])
    t.same(
      Object.keys(environment).filter(variable => !(variable in config)),
      [],
      `unknown variables of ${name}`,
    )
    t.equal(new URL(config.DATABASE_URL).hostname, 'postgres')
    t.equal(new URL(config.REDIS_URL).hostname, 'redis')
  }
})

t.test('a secret that is not given is refused by name, and no secret has a default', async t => {
  for (const secret of Object.keys(secrets)) {
    const start = () => services.map(([, service]) => environmentOf(service, { ...secrets, [secret]: '' }))
    t.throws(start, { message: new RegExp(`^${secret}: .*docker/env.example`) })
  }
})

t.test('the example environment names every variable that the compose file asks for, and no other', async t => {
  const example = await read('docker/env.example')
  const named = [...example.matchAll(/^#?([A-Z][A-Z_]*)=/gm)].map(match => match[1]!)
  t.same(named.toSorted(), [...variables].toSorted())
  const uncommented = parseEnv(example)
  t.same(Object.keys(uncommented).toSorted(), Object.keys(secrets).toSorted())
  t.same(Object.values(uncommented).join(''), '', 'it holds no secret that somebody could leave as it is')
})

t.test('Redis never evicts, and keeps its queues over a restart', async t => {
  const command = file.services.redis?.command ?? []
  const option = (name: string) => command[command.indexOf(name) + 1]
  t.equal(option('--maxmemory-policy'), 'noeviction')
  t.equal(option('--appendonly'), 'yes')
  t.ok(file.services.redis?.volumes?.some(volume => volume.endsWith(':/data')))
})

t.test('every long-running service is restarted, and says whether it is well', async t => {
  for (const [name, { healthcheck, restart }] of longRunning) {
    t.equal(restart, 'unless-stopped', name)
    t.ok(healthcheck?.test.length, name)
  }
  t.same(
    services.filter(entry => !longRunning.includes(entry)).map(([name]) => name),
    ['migrate'],
  )
})

t.test('whatever a service waits for exists, and can come to that state', async t => {
  for (const [name, { depends_on = {} }] of services) {
    for (const [other, { condition }] of Object.entries(depends_on)) {
      const awaited = file.services[other]
      t.ok(awaited, `${name} waits for ${other}`)
      if (condition === 'service_healthy') t.ok(awaited?.healthcheck, `${other} has a health check`)
      if (condition === 'service_completed_successfully') t.equal(awaited?.restart, 'no', `${other} comes to an end`)
    }
  }
})

t.test('only the API is published, and to this machine alone unless told otherwise', async t => {
  const published = services.flatMap(([name, { ports = [] }]) => ports.map(port => [name, interpolate(port, {})]))
  t.same(published, [['api', '127.0.0.1:8080:8080']])
})

t.test('named volumes and mounted files exist', async t => {
  for (const volume of services.flatMap(([, { volumes = [] }]) => volumes)) {
    const source = volume.split(':')[0]!
    if (source.startsWith('.')) await t.resolves(access(new URL(source, ROOT)), source)
    else t.ok(source in file.volumes, source)
  }
})
