// The AT Protocol's own servers on this machine: a PLC directory, an AppView and a PDS in one process.
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const HELP = `Usage: node network.mjs --postgres <url> --redis <host:port> [--schema <name>] [--rate-limits]

Starts the network on loopback and prints one line of JSON when it is ready:
  {"ready":true,"pds_url":...,"plc_url":...,"bsky_url":...,"control_url":...}

  --postgres     where the AppView keeps its index, in a schema of its own that is dropped at the end
  --redis        the AppView's cache
  --schema       name of that schema, letters and underscores (default: a fresh one)
  --rate-limits  let the PDS enforce its rate limits
  --help         this text

POST <control_url>/flush answers 204 once everything written so far is visible in the AppView.
It ends on SIGTERM, on SIGINT, and when its standard input closes: keep that open.
`

const { values } = parseArgs({
  options: {
    postgres: { type: 'string' },
    redis: { type: 'string' },
    schema: { type: 'string', default: freshSchema() },
    'rate-limits': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help || !values.postgres || !values.redis) {
  const out = values.help ? process.stdout : process.stderr
  out.write(HELP)
  process.exit(values.help ? 0 : 2)
}

bindToLoopback()
// Its data folders go to the temporary directory and are never removed; its logs are JSON on stdout unless disabled.
const folder = await mkdtemp(join(tmpdir(), 'parley-bluesky-'))
process.env.TMPDIR = folder
process.env.LOG_ENABLED = 'false'

/** Closes in reverse order of opening; each step once. */
const closers = [() => rm(folder, { recursive: true, force: true })]
let closing
function close(exitCode) {
  closing ??= (async () => {
    for (const step of closers.toReversed()) await step()
  })().then(
    () => process.exit(exitCode),
    error => fail(error),
  )
}
function fail(error) {
  process.stderr.write(`${error?.stack ?? error}\n`)
  process.exit(1)
}
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => close(0))
process.stdin.on('end', () => close(0)).on('error', () => close(0))
process.stdin.resume()

try {
  const network = await startNetwork()
  if (!closing) process.stdout.write(`${JSON.stringify({ ready: true, ...network })}\n`)
} catch (error) {
  process.stderr.write(`${error?.stack ?? error}\n`)
  close(1)
}

/** The minimal variant: no Ozone, no bsync of its own. Order as in dev-env's TestNetwork.create (0.3.215). */
async function startNetwork() {
  const { Database, TestBsky, TestPds, TestPlc, mockNetworkUtilities } = await import('@atproto/dev-env')

  const plc = await TestPlc.create({})
  closers.push(() => plc.close())

  const pdsPort = await freePort()
  closers.push(() => dropSchema(Database))
  const bsky = await TestBsky.create({
    plcUrl: plc.url,
    pdsPort,
    repoProvider: `ws://localhost:${pdsPort}`,
    dbPostgresUrl: values.postgres,
    dbPostgresSchema: values.schema,
    redisHost: values.redis,
  })

  const pds = await TestPds.create({
    port: pdsPort,
    didPlcUrl: plc.url,
    bskyAppViewUrl: bsky.url,
    bskyAppViewDid: bsky.ctx.cfg.serverDid,
    rateLimitsEnabled: values['rate-limits'],
  })
  // The AppView goes before the PDS it reads from.
  closers.push(
    () => pds.close(),
    () => bsky.close(),
  )
  // Before any event flows, so that no resolution of a .test handle is missed.
  mockNetworkUtilities(pds, bsky)

  const control = createServer((request, response) => {
    if (request.method !== 'POST' || request.url !== '/flush') return response.writeHead(404).end()
    flush(pds, bsky).then(
      () => response.writeHead(204).end(),
      error => response.writeHead(500).end(String(error)),
    )
  })
  const control_url = `http://localhost:${await listenAnywhere(control)}`
  closers.push(() => control.close() && control.closeAllConnections())
  return { pds_url: pds.url, plc_url: plc.url, bsky_url: bsky.url, control_url }
}

/** What TestNetwork.processAll does, for the parts that run here. */
async function flush(pds, bsky) {
  await pds.processAll()
  const written = await pds.ctx.sequencer.curr()
  const deadline = Date.now() + 10_000
  for (;;) {
    await bsky.sub.processAll()
    const read = await bsky.sub.runner.getCursor()
    if (!written || (read && read >= written)) return
    if (Date.now() > deadline) throw new Error(`The AppView is at ${read}, the PDS at ${written}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** The AppView must know the PDS's port before the PDS is there. */
async function freePort() {
  const server = createServer()
  const port = await listenAnywhere(server)
  await new Promise(resolve => server.close(resolve))
  return port
}

async function listenAnywhere(server) {
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, resolve))
  return server.address().port
}

async function dropSchema(Database) {
  const db = new Database({ url: values.postgres, schema: values.schema })
  await db.pool.query(`drop schema if exists "${values.schema}" cascade`)
  await db.close()
}

/** Letters and underscores are all it takes. */
function freshSchema() {
  return `bsky_${Array.from({ length: 12 }, () => 'abcdefghijklmnopqrstuvwxyz'[randomInt(26)]).join('')}`
}

/** Its servers listen on every interface and cannot be told otherwise. */
function bindToLoopback() {
  const { listen } = Server.prototype
  Server.prototype.listen = function (...args) {
    const [first, ...rest] = args
    if (typeof first === 'object' && first !== null && 'port' in first)
      return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest)
    if (typeof first === 'number' || typeof first === 'string')
      return listen.call(
        this,
        { port: Number(first), host: '127.0.0.1' },
        ...rest.filter(arg => typeof arg === 'function'),
      )
    return listen.apply(this, args)
  }
}
