import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'

// Built as in production, as npm test does first.
const LOGGER = fileURLToPath(new URL('../dist/logger.js', import.meta.url))
const PASSWORD = 'canary-password'
const KEY = `parley_${'k'.repeat(43)}`
const SECRET = 'whsec_aW5ib3gtdGVzdC1zZWNyZXQtMzItYnl0ZXMtbG9uZyE='

/** What a process prints that runs this script, with a logger at hand: it writes to standard output by itself. */
async function printed(script: string): Promise<Record<string, unknown>[]> {
  const source = `import { createLogger } from ${JSON.stringify(LOGGER)}\nconst logger = createLogger('info', 'test')\n`
  const args = ['--input-type=module', '--eval', source + script]
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 64 * 1024 * 1024 })
  return stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
}

test('a line is JSON with its service, its time and the fields given', async t => {
  const [line, ...rest] = await printed(`logger.debug('not wanted'); logger.info({ job_id: '1' }, 'done')`)
  t.match(line, { level: 30, service: 'test', job_id: '1', msg: 'done', time: /^\d{4}-\d\d-\d\dT.*Z$/ })
  t.equal(rest.length, 0)
})

test('no error shows a password or a key', async t => {
  const texts = [
    `connect ECONNREFUSED postgres://parley:${PASSWORD}@db:5432/parley`,
    `bad url "redis://:${PASSWORD}@redis:6379/0"`,
    `postgres://parley:pa@ss/wo:${PASSWORD}@db/parley is not reachable`,
    `postgres://db/parley?user=parley&password=${PASSWORD}&sslmode=require`,
    `{"authorization":"Bearer ${PASSWORD}"}`,
    `no such key ${KEY}`,
    `${SECRET} is not the secret of ${KEY}, nor is postgres://a:${PASSWORD}@b`,
  ]
  const script = texts.map(
    text => `
      logger.warn({ err: new Error(${JSON.stringify(text)}) }, 'x')
      logger.warn({ error: new Error(${JSON.stringify(text)}) }, 'x')
      logger.warn(new Error(${JSON.stringify(text)}))
      logger.warn({ err: ${JSON.stringify(text)} }, 'thrown as a string')`,
  )
  const lines = await printed(script.join('\n'))
  t.equal(lines.length, texts.length * 4)
  for (const line of lines) {
    t.notMatch(JSON.stringify(line), new RegExp(`${PASSWORD}|kkkk|aW5ib3g|pa@ss`), JSON.stringify(line))
    t.match(JSON.stringify(line), /\[redacted\]/)
  }
  t.match(lines[0], { err: { message: 'connect ECONNREFUSED postgres://parley:[redacted]@db:5432/parley' } })
})

test('of an error only its name, message, code and stack are printed', async t => {
  const [line] = await printed(`
    const error = Object.assign(new TypeError('fetch failed'), {
      code: 'ECONNRESET',
      headers: { authorization: 'canary' },
      config: { password: 'canary' },
      input: 'canary',
      request: { body: 'canary' },
    })
    error.cause = new Error('canary')
    logger.error({ err: error }, 'x')`)
  t.match(line, { err: { type: 'TypeError', message: 'fetch failed', code: 'ECONNRESET', stack: /^TypeError: fetch/ } })
  t.same(Object.keys(line!.err as object).sort(), ['code', 'message', 'stack', 'type'])
  t.notMatch(JSON.stringify(line), 'canary')
})

test('whatever is thrown can be logged', async t => {
  const things = ['undefined', 'null', '7', 'Object.create(null)', "{ secret: 'canary' }", 'Symbol("canary")']
  things.push(
    "Object.assign(new Error('x'), { code: { secret: 'canary' } })",
    'Object.assign(new Error(), { stack: 0 })',
  )
  const lines = await printed(things.map(thing => `logger.error({ err: ${thing} }, 'x')`).join('\n'))
  t.equal(lines.length, things.length)
  t.notMatch(JSON.stringify(lines), 'canary')
})

test('a long message without any secret is printed at once', async t => {
  const [line] = await printed(`
    const start = performance.now()
    logger.error({ err: new Error('a'.repeat(200_000) + ' ' + 'x://y:'.repeat(2_000)) }, 'x')
    logger.info({ took: performance.now() - start }, 'y')`).then(lines => lines.slice(1))
  t.ok((line!.took as number) < 500, `${line!.took} ms`)
  // Anything that takes the square of the length would outlast the test's time.
  const lines = await printed(
    `logger.error({ err: new Error('a'.repeat(1_000_000) + ' ' + 'x://y:'.repeat(500_000)) }, 'x')`,
  )
  t.equal(lines.length, 1)
})
