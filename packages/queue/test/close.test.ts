import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onBothBackends, testDatabase, until } from '@parley/testing'
import t, { type Test } from 'tap'
import type { QueueBackend } from '../src/index.ts'
import { freePort, gateTo, job, openHints, openWorker, readyHints, untilHeard } from './helper.ts'

// Built as in production, as npm test does first.
const INDEX = fileURLToPath(new URL('../dist/index.js', import.meta.url))

t.test('workers close within the grace time while a job hangs', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const { hints } = await readyHints(t, backend)
    const worker = openWorker(t, backend, { handle: () => new Promise(() => {}) })
    hints.ingest(job())
    await until('the job runs', async () => worker.handled.length > 0)
    const start = performance.now()
    await worker.workers.close(300)
    const took = performance.now() - start
    t.ok(took >= 290 && took < 2_000, `${took} ms`)
  })
})

t.test('workers wait for a job that ends in time, and take no other', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const { hints } = await readyHints(t, backend)
    let ended = 0
    let release = () => {}
    const released = new Promise<void>(resolve => {
      release = resolve
    })
    const worker = openWorker(t, backend, {
      concurrency: 1,
      handle: async () => {
        await released
        ended += 1
      },
    })
    for (const subject of [job(), job(), job()]) hints.ingest(subject)
    await until('the first runs', async () => worker.handled.length > 0)
    const start = performance.now()
    const closing = worker.workers.close(10_000)
    await new Promise(resolve => setTimeout(resolve, 200))
    release()
    await closing
    t.same([worker.handled.length, ended], [1, 1])
    t.ok(performance.now() - start < 5_000)
  })
})

t.test('hints and workers close soon although their server is away', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const { kind, url } = backendOf((await testDatabase(t)).url)
    const gate = await gateTo(t, url)
    for (const opened of [false, true]) {
      if (opened) await gate.open()
      const { hints } = openHints(t, { kind, url: gate.url })
      const worker = openWorker(t, { kind, url: gate.url })
      if (opened) {
        await untilHeard(hints, worker)
        await gate.shut()
      }
      const start = performance.now()
      await Promise.all([hints.close(), worker.workers.close(1_000)])
      const took = performance.now() - start
      t.ok(took < 3_000, `${opened ? 'gone' : 'never there'}: ${took} ms`)
    }
  })
})

/** Runs everything of this package in a process and closes it; then the process should end by itself. */
async function runAndClose(
  t: Test,
  backend: QueueBackend,
  handle: string,
  ready: string,
  onOutput: (output: string) => void = () => {},
) {
  const source = `
    import { Hints, openWakeUps, startWorkers } from ${JSON.stringify(INDEX)}
    const backend = ${JSON.stringify(backend)}
    let handled = 0
    let heard = 0
    const hints = new Hints(backend, { onLost: () => {} })
    const wakeUps = openWakeUps(backend)
    wakeUps.subscribe(() => { heard += 1 })
    const ignore = () => {}
    const handle = async () => { handled += 1; ${handle} }
    const definitions = ['ingest', 'poll', 'send'].map(queue => ({ queue, concurrency: 2, handle }))
    const workers = startWorkers(backend, definitions, { onJobFailed: ignore, onConnectionError: ignore })
    const subject = ${JSON.stringify(job())}
    const deadline = Date.now() + 10_000
    while (!(${ready}) && Date.now() < deadline) {
      hints.ingest(subject)
      wakeUps.publish('x')
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    await Promise.all([workers.close(300), hints.close(), wakeUps.close()])
    console.log('closed')
    setTimeout(() => console.log(process.getActiveResourcesInfo().join()), 2500).unref()`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source])
  t.teardown(() => void child.kill('SIGKILL'))
  let output = ''
  child.stdout.on('data', chunk => {
    output += chunk
    onOutput(output)
  })
  child.stderr.on('data', chunk => {
    output += chunk
  })
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve))
  await until('it is closed', async () => {
    if (child.exitCode !== null && !output.includes('closed')) throw new Error(output)
    return output.includes('closed')
  })
  const code = await Promise.race([exited, new Promise(resolve => setTimeout(resolve, 30_000, 'alive').unref())])
  return { code, output }
}

t.test('nothing that was closed keeps its process alive', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const { code, output } = await runAndClose(t, backend, '', 'handled > 0 && heard > 0')
    t.equal(code, 0, output)
  })
})

t.test('a job that hangs does not keep its closed process alive', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const backend = backendOf((await testDatabase(t)).url)
    const hanging = 'await new Promise(() => {})'
    const { code, output } = await runAndClose(t, backend, hanging, 'handled > 0 && heard > 0')
    t.equal(code, 0, output)
  })
})

t.test('a server that was never there does not keep a closed process alive', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const { kind, url } = backendOf((await testDatabase(t)).url)
    const nowhere = new URL(url)
    nowhere.host = `127.0.0.1:${await freePort()}`
    const start = Date.now()
    const { code, output } = await runAndClose(t, { kind, url: nowhere.href }, '', `Date.now() > ${start} + 1500`)
    t.equal(code, 0, output)
  })
})

t.test('a server that goes while a job runs does not keep a closed process alive', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const { kind, url } = backendOf((await testDatabase(t)).url)
    const gate = await gateTo(t, url)
    await gate.open()
    let shut: Promise<void> | undefined
    // What came of the job can be told to nobody.
    const handle = `console.log('running'); await new Promise(resolve => setTimeout(resolve, 500)); heard = -1`
    const onOutput = (output: string) => {
      if (output.includes('running')) shut ??= gate.shut()
    }
    const { code, output } = await runAndClose(t, { kind, url: gate.url }, handle, 'heard === -1', onOutput)
    t.ok(shut, 'it ran')
    t.equal(code, 0, output)
  })
})
