import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findStart } from '../src/processes.ts'
import { isRoot, query, start, temporaryFolder } from './temporary.ts'

t.test('a server left by a killed parent is stopped and started anew', async t => {
  const dataDir = await temporaryFolder(t)
  const { parent, pid } = await holdServer(t, dataDir)

  await t.rejects(start(t, { dataDir }), {
    message: new RegExp(`in use by process ${parent.pid}, which is still running`),
  })
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  t.ok(await alive(pid), 'the server outlives its parent')

  const messages: string[] = []
  const server = await start(t, { dataDir, onProgress: message => messages.push(message) })
  t.same(messages, [`Stopping the PostgreSQL server (process ${pid}) that an earlier run left behind.`])
  t.notOk(await alive(pid))
  t.same(await query(server.url(), 'select 1'), [1])
})

t.test('one process cannot start a folder twice', async t => {
  const dataDir = await temporaryFolder(t)
  await start(t, { dataDir })
  await t.rejects(start(t, { dataDir }), { message: new RegExp(`in use by process ${process.pid}`) })
})

t.test('after a server was killed', async t => {
  const dataDir = await temporaryFolder(t)
  const server = await start(t, { dataDir })
  await query(server.url(), 'create table kept as select 42 as n')
  process.kill(server.pid, 'SIGKILL')
  t.same(await server.exited, { code: null, signal: 'SIGKILL' })
  const pidFile = join(server.dataDir, 'data', 'postmaster.pid')
  const left = await readFile(pidFile, 'utf8')

  t.test('the next one recovers what was committed', async t => {
    const next = await start(t, { dataDir })
    t.same(await query(next.url(), 'select n from kept'), [42])
    await next.stop()
  })

  t.test('its number, now another program’s, keeps nobody out, and that program is left alone', async t => {
    const other = await sleeper(t, (await stat(dataDir)).uid)
    await writeFile(pidFile, left.replace(`${server.pid}`, `${other.pid}`))
    const next = await start(t, { dataDir })
    t.same(await query(next.url(), 'select n from kept'), [42])
    t.ok(await alive(other.pid!))
    await next.stop()
  })

  t.test('nor does an empty pid file, cut short by a full disk', async t => {
    await writeFile(pidFile, '')
    await (await start(t, { dataDir })).stop()
  })

  t.test('nor its dead owner’s number, now another program’s or this one’s', async t => {
    const other = await sleeper(t)
    for (const claim of [`${other.pid}\nan earlier start\n`, `${process.pid}\nan earlier start\n`, '']) {
      await writeFile(join(dataDir, 'owner.pid'), claim)
      await (await start(t, { dataDir })).stop()
    }
    t.ok(await alive(other.pid!))
  })
})

/** A process that has started a server over the folder and lives on. */
async function holdServer(t: Test, dataDir: string): Promise<{ parent: ChildProcess; pid: number }> {
  const script = join(import.meta.dirname, 'hold-server.ts')
  const parent = fork(script, [dataDir], { execArgv: ['--import=tsx'] })
  t.teardown(() => parent.kill('SIGKILL'))
  const [pid] = await once(parent, 'message')
  return { parent, pid }
}

async function sleeper(t: Test, uid?: number): Promise<ChildProcess> {
  const child = spawn('sleep', ['60'], isRoot && uid !== undefined ? { uid } : {})
  await once(child, 'spawn')
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** Not so for a zombie: a container's first process may never collect the orphans it inherits. */
async function alive(pid: number): Promise<boolean> {
  return (await findStart(pid)) !== undefined
}
