import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'

// Built as in production, as npm test does first.
const INDEX = fileURLToPath(new URL('../dist/index.js', import.meta.url))

type Script = {
  /** The body of the closing function. */
  close?: string
  before?: string
  after?: string
}

/** The arguments of a Node process that listens for signals, and says "ready" once it does. */
function argumentsOf({ close = '', before = '', after = '' }: Script): string[] {
  const source = `
    import { closeOnSignal, createLogger } from ${JSON.stringify(INDEX)}
    import { setTimeout as delay } from 'node:timers/promises'
    const say = text => process.stderr.write(text + '\\n')
    const logger = createLogger('info', 'test')
    setInterval(() => {}, 1000)
    ${before}
    closeOnSignal(logger, async () => { say('closing once'); ${close} }, 500)
    ${after}
    say('ready')`
  return ['--input-type=module', '--eval', source]
}

function startProcess(t: Test, script: Script) {
  const child = spawn(process.execPath, argumentsOf(script), { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', chunk => {
      output += chunk
    })
  }
  // The pipes close when the last process that has them is gone.
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve))
  const drained = [child.stdout!, child.stderr!].map(stream => new Promise(resolve => stream.once('close', resolve)))
  const closed = Promise.all([exited, ...drained]).then(([code]) => code)
  t.teardown(() => void child.kill('SIGKILL'))
  const said = async (text: string, count = 1) => {
    while (times(output, text) < count) {
      if (child.exitCode !== null) throw new Error(`ended without saying ${text}: ${output}`)
      await delay(5)
    }
  }
  return { child, closed, said, output: () => output }
}

const times = (text: string, part: string) => text.split(part).length - 1

test('each signal closes the process, which exits 0', async t => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { child, closed, said, output } = startProcess(t, { close: 'await delay(20)' })
    await said('ready')
    child.kill(signal)
    t.equal(await closed, 0, output())
    t.match(output(), `"signal":"${signal}"`)
  }
})

test('a second signal does not close twice, nor cut the first short', async t => {
  const { child, closed, said, output } = startProcess(t, { close: "await delay(200); say('done')" })
  await said('ready')
  child.kill('SIGTERM')
  await said('closing once')
  child.kill('SIGTERM')
  child.kill('SIGINT')
  t.equal(await closed, 0, output())
  t.equal(times(output(), 'closing once'), 1)
  t.match(output(), 'done')
})

test('a process that fails to close, or does not end in time, exits 1', async t => {
  const failing = startProcess(t, { close: "throw new Error('redis://:canary@redis is gone')" })
  const hanging = startProcess(t, { close: 'await new Promise(() => {})' })
  await Promise.all([failing.said('ready'), hanging.said('ready')])
  for (const { child } of [failing, hanging]) child.kill('SIGTERM')
  t.equal(await failing.closed, 1)
  t.match(failing.output(), 'failed to close')
  t.notMatch(failing.output(), 'canary')
  t.equal(await hanging.closed, 1)
  t.match(hanging.output(), 'did not close in time')
})

test('a bug that nobody caught ends the process, with its secrets hidden', async t => {
  const error = "Object.assign(new Error('postgres://u:canary@db'), { headers: { authorization: 'canary' } })"
  const processes = {
    rejected: startProcess(t, { after: `Promise.reject(${error})` }),
    thrown: startProcess(t, { after: `setTimeout(() => { throw ${error} }, 10)` }),
    string: startProcess(t, { after: "Promise.reject('whsec_canary')" }),
  }
  for (const [what, { closed, output }] of Object.entries(processes)) {
    t.equal(await closed, 1, what)
    t.match(output(), '"level":60', what)
    t.notMatch(output(), 'canary', what)
  }
})

test('a process whose output nobody reads any more goes on, and still closes', async t => {
  const { child, closed, said } = startProcess(t, {
    close: "logger.info('after')",
    after: "setInterval(() => logger.info('line'), 5)",
  })
  await said('ready')
  child.stdout!.destroy()
  await delay(100)
  t.equal(child.exitCode, null)
  child.kill('SIGTERM')
  t.equal(await closed, 0)
})

test('a forked process closes when the process that forked it lets go of it', async t => {
  const { child, closed, said, output } = startProcess(t, {})
  await said('ready')
  child.disconnect()
  t.equal(await closed, 0, output())
  t.match(output(), '"signal":"disconnect"')
})

test('a forked process closes when the process that forked it is killed', async t => {
  const forked = argumentsOf({ close: "say('closed ' + process.pid)" })
  const supervisor = startProcess(t, {
    before: `
      const { spawn } = await import('node:child_process')
      const stdio = ['ignore', 'inherit', 'inherit', 'ipc']
      const child = spawn(process.execPath, ${JSON.stringify(forked)}, { stdio })
      say('forked ' + child.pid)`,
  })
  await supervisor.said('ready', 2)
  const pid = Number(/forked (\d+)/.exec(supervisor.output())![1])
  t.teardown(() => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  })
  supervisor.child.kill('SIGKILL')
  await supervisor.closed
  t.match(supervisor.output(), `closed ${pid}`)
  while (isAlive(pid)) await delay(5)
})

test('a forked process whose supervisor was gone before it listened closes at once', async t => {
  const { closed, output } = startProcess(t, { before: 'process.disconnect(); await delay(20)' })
  t.equal(await closed, 0, output())
  t.match(output(), '"signal":"disconnect"')
})

test('a process that nobody forked minds no supervisor', async t => {
  const child = spawn(process.execPath, argumentsOf({ after: 'setTimeout(() => process.exit(7), 100)' }))
  t.equal(await new Promise(resolve => child.once('exit', resolve)), 7)
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
