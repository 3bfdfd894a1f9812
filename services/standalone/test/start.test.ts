import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { until } from '@parley/testing'
import t, { type Test } from 'tap'

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const run = promisify(execFile)

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

/** A folder that the database server may reach whoever runs the tests; removed with wherever its data went. */
async function dataFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-standalone-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

function start(t: Test, dataDir: string, port: number, args: string[] = []) {
  const env = { PATH: process.env.PATH, PARLEY_DATA_DIR: dataDir, PORT: String(port) }
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const collect = (chunk: Buffer) => {
    output += chunk
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve))
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal)
    return exited
  }
  t.teardown(() => stop())
  const says = (text: string) =>
    until(
      `it says ${text}`,
      async () => {
        if (child.exitCode !== null && !output.includes(text)) throw new Error(`it ended:\n${output}`)
        return output.includes(text)
      },
      150_000,
    )
  return { output: () => output, exited, stop, says, pid: child.pid! }
}

t.setTimeout(600_000)

t.test('the three printed commands do the main job, and the data survives a restart', async t => {
  const [dataDir, port] = [await dataFolder(t), await freePort()]
  const first = start(t, dataDir, port)
  await first.says('Stop with Ctrl-C')
  const commands = [...first.output().matchAll(/^ +(curl .*)$/gm)].map(match => match[1]!)
  t.equal(commands.length, 3)
  const shell = async (command: string) => JSON.parse((await run('sh', ['-c', `${command} -s`])).stdout)
  t.match(await shell(commands[0]!), { accepted: 1 })
  const listed = await until('the comment is listed', async () => {
    const answer = await shell(commands[1]!)
    return answer.data.length > 0 && answer
  })
  t.match(listed.data[0], { contact: { name: 'Ana Silva' }, status: 'open' })
  t.match(await shell(commands[2]!), { state: 'queued', body: 'It arrives today, Ana.' })
  t.equal((await stat(join(dataDir, 'secrets.json'))).mode & 0o077, 0, 'the secrets are for their owner alone')
  t.equal(await first.stop(), 0)

  const second = start(t, dataDir, port)
  await second.says('Stop with Ctrl-C')
  t.notMatch(second.output(), /parley_[A-Za-z0-9_-]{43}/, 'the key is shown once')
  t.match((await shell(commands[1]!)).data[0].number, 1)
})

t.test('after the whole process was killed the next start finds everything', async t => {
  const [dataDir, port] = [await dataFolder(t), await freePort()]
  const first = start(t, dataDir, port, ['--demo'])
  await first.says('the others wait for you')
  const key = /parley_[A-Za-z0-9_-]{43}/.exec(first.output())![0]
  await first.stop('SIGKILL')
  const headers = { authorization: `Bearer ${key}` }
  await until('its services end with it', async () =>
    fetch(`http://127.0.0.1:${port}/healthz`).then(
      () => false,
      () => true,
    ),
  )
  const second = start(t, dataDir, port)
  await second.says('Stop with Ctrl-C')
  const answer = await fetch(`http://127.0.0.1:${port}/v1/conversations?limit=100`, { headers })
  const { data } = (await answer.json()) as { data: { status: string }[] }
  t.equal(data.length, 60)
  t.ok(new Set(data.map(row => row.status)).size >= 3, 'some wait, some are answered, some are resolved')
})

t.test('a port that is taken is named, with what to do', async t => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const standalone = start(t, await dataFolder(t), port)
  t.equal(await standalone.exited, 1)
  t.match(standalone.output(), `Port ${port} on 127.0.0.1 is taken by another program. Choose another one: PORT=`)
})

t.test('a bad variable is named and its value is not shown', async t => {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH, PARLEY_SECRET_KEY: 'too-short-canary', PORT: 'http' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  t.equal(await new Promise(resolve => child.once('exit', resolve)), 1)
  t.match(errors, /PORT must be a whole number/)
  t.match(errors, /PARLEY_SECRET_KEY must be 32 random bytes/)
  t.notMatch(errors, /canary/)
})
