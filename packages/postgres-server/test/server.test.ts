import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findBinaries } from '../src/binaries.ts'
import { startPostgres } from '../src/index.ts'
import { query, start, temporaryFolder } from './temporary.ts'

t.test('data, password and a chosen port survive a restart', async t => {
  const dataDir = await temporaryFolder(t)
  const first = await start(t, { dataDir })
  t.equal(first.initialised, true)
  await query(first.url(), 'create table kept as select 42 as n')
  await first.stop()
  t.same(await first.exited, { code: 0, signal: null })

  const second = await start(t, { dataDir, port: first.port })
  t.equal(second.initialised, false)
  t.equal(second.url(), first.url())
  t.same(await query(second.url(), 'select n from kept'), [42])
})

t.test('with one server running', async t => {
  const server = await start(t, { dataDir: await temporaryFolder(t), settings: { work_mem: '5MB', port: '1' } })
  const { url } = server

  t.test('only the password opens it', async t => {
    const guessed = url().replace(/:[^:@]+@/, ':guess@')
    await t.rejects(query(guessed, 'select 1'), { message: /password authentication failed/ })
    const { mode } = await stat(join(server.dataDir, 'password'))
    t.equal(mode & 0o777, 0o600)
  })

  t.test('it listens on this machine only, and the caller’s other settings hold', async t => {
    const show = 'select setting from pg_settings where name = any($$ {%} $$) order by name'
    const names = 'listen_addresses,port,unix_socket_directories,work_mem'
    t.same(await query(url(), show.replace('%', names)), ['127.0.0.1', `${server.port}`, '', '5120'])
  })

  t.test('text sorts by code point, and case is Unicode’s', async t => {
    const sorted = "select x from unnest(array['ä', 'b', 'B', 'Z', 'a', '_']) x order by x"
    t.same(await query(url(), sorted), ['B', 'Z', '_', 'a', 'b', 'ä'])
    t.same(await query(url(), "select upper('ä') || lower('Ж')"), ['Äж'])
  })

  t.test('its own port is refused to a second server, which gets another when it may', async t => {
    const dataDir = await temporaryFolder(t)
    await t.rejects(start(t, { dataDir, port: server.port }), {
      message: new RegExp(`cannot listen on port ${server.port} .*choose another port`),
    })
    t.not((await start(t, { dataDir })).port, server.port)
  })

  t.test('the terminal’s Ctrl-C does not reach it: it has a process group of its own', async t => {
    t.doesNotThrow(() => process.kill(-server.pid, 0))
  })

  t.test('it stops once, however often it is told to', async t => {
    await Promise.all([server.stop(), server.stop()])
    await server.stop('immediate')
    await t.rejects(query(url(), 'select 1'), { code: 'ECONNREFUSED' })
    t.notOk((await readdir(server.dataDir)).includes('owner.pid'))
  })
})

t.test('over files that exist', async t => {
  const dataDir = await temporaryFolder(t)
  await (await start(t, { dataDir })).stop()

  t.test('a server that ends at its start is told with the end of its log', async t => {
    await t.rejects(start(t, { dataDir, settings: { shared_buffers: 'plenty' } }), {
      message: /ended \(code 1\)[\s\S]*invalid value for parameter "shared_buffers": "plenty"/,
    })
  })

  t.test('a server that never gets ready is stopped', async t => {
    const nativeDir = await fakePostgres(t, 'echo "pid $$"; exec sleep 60')
    const failed = await startPostgres({ dataDir, nativeDir, quietMs: 300 }).catch((error: Error) => error)
    if (!(failed instanceof Error)) return t.fail('it started')
    t.match(failed.message, /not ready within 0.3 s/)
    const pid = Number(/pid (\d+)/.exec(failed.message)?.[1])
    t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  })

  t.test('a database of another major version is refused, with the way out', async t => {
    const version = join(dataDir, 'data', 'PG_VERSION')
    await writeFile(version, '17\n')
    await t.rejects(start(t, { dataDir }), { message: /made by PostgreSQL 17, and this is PostgreSQL 18.*Dump it/ })
    await writeFile(version, '18\n')
    t.equal((await start(t, { dataDir })).initialised, false)
  })
})

t.test('an initdb cut short is done again', async t => {
  const dataDir = await temporaryFolder(t)
  await mkdir(join(dataDir, 'data.new-1a2b', 'base'), { recursive: true })
  t.equal((await start(t, { dataDir })).initialised, true)
  t.notMatch((await readdir(dataDir)).join(), 'data.new')
})

t.test('a folder with files of something else is refused and left as it is', async t => {
  const dataDir = await temporaryFolder(t)
  await writeFile(join(dataDir, 'thesis.txt'), 'dear')
  const before = await stat(dataDir)
  await t.rejects(start(t, { dataDir }), { message: /not a Parley database \(thesis.txt\)/ })
  t.same(await readdir(dataDir), ['thesis.txt'])
  t.equal((await stat(dataDir)).uid, before.uid)
})

t.test('a platform without a package is told to use DATABASE_URL', async t => {
  await t.rejects(findBinaries(undefined, 'linux-sparc64'), {
    message: /No PostgreSQL is installed for linux-sparc64.*set DATABASE_URL/,
  })
})

t.test('binaries that do not run here are told before anything is written', async t => {
  const dataDir = join(await temporaryFolder(t), 'data')
  const nativeDir = await fakePostgres(t, '', 'echo "libicuuc.so.60: cannot open"; exit 127')
  await t.rejects(startPostgres({ dataDir, nativeDir }), { message: /does not run on this machine: libicuuc/ })
  await t.rejects(readFile(dataDir), { code: 'ENOENT' })
})

async function fakePostgres(
  t: Test,
  server: string,
  version = 'echo "postgres (PostgreSQL) 18.4"; exit',
): Promise<string> {
  const nativeDir = await temporaryFolder(t)
  await chmod(nativeDir, 0o755)
  for (const folder of ['bin', 'lib', 'share/postgresql']) await mkdir(join(nativeDir, folder), { recursive: true })
  const script = `#!/bin/sh\nif [ "$1" = --version ]; then ${version}; fi\n${server}\n`
  await writeFile(join(nativeDir, 'bin', 'postgres'), script, { mode: 0o755 })
  return nativeDir
}
