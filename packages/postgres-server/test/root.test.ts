import { chmod, chown, cp, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { findBinaries } from '../src/binaries.ts'
import { isRoot, query, start, temporaryFolder } from './temporary.ts'

// PostgreSQL refuses to run as root, and Docker and CI run everything as root.
t.test('as root', { skip: isRoot ? false : 'needs root' }, async t => {
  t.test('the server runs as another user, who owns the files', async t => {
    const server = await start(t, { dataDir: await temporaryFolder(t) })
    const { uid } = await stat(join(server.dataDir, 'data'))
    t.not(uid, 0)
    t.equal(await uidOf(server.pid), uid)
  })

  t.test('a folder that already has an owner is served by that owner', async t => {
    const dataDir = await temporaryFolder(t)
    const nobody = 65_534
    await chown(dataDir, nobody, nobody)
    t.equal(await uidOf((await start(t, { dataDir })).pid), nobody)
  })

  t.test('files asked for where that user cannot go are kept in the shared folder, and stay there', async t => {
    const { locked, sharedDir } = await lockedFolder(t)
    const dataDir = join(locked, 'data')
    const messages: string[] = []
    const options = { dataDir, sharedDir, onProgress: (message: string) => messages.push(message) }
    const first = await start(t, options)
    t.equal(dirname(first.dataDir), sharedDir)
    t.match(messages.join(), `Its files are in ${first.dataDir} instead`)
    await query(first.url(), 'create table kept as select 42 as n')
    await first.stop()

    await chmod(locked, 0o755)
    const second = await start(t, options)
    t.equal(second.dataDir, first.dataDir)
    t.same(await query(second.url(), 'select n from kept'), [42])
  })

  t.test('a database that its user can no longer reach is an error, not an empty new one', async t => {
    const { locked, sharedDir } = await lockedFolder(t)
    await chmod(locked, 0o755)
    const dataDir = join(locked, 'data')
    await (await start(t, { dataDir, sharedDir })).stop()
    await chmod(locked, 0o700)
    await t.rejects(start(t, { dataDir, sharedDir }), { message: /can no longer enter .*chmod o\+x/ })
  })

  t.test('binaries that this user cannot reach are copied once', async t => {
    const { locked, sharedDir } = await lockedFolder(t)
    const nativeDir = join(locked, 'native')
    await cp((await findBinaries()).nativeDir, nativeDir, { recursive: true, verbatimSymlinks: true })
    const messages: string[] = []
    const dataDir = await temporaryFolder(t)
    for (const _ of [1, 2]) {
      const options = { dataDir, nativeDir, sharedDir, onProgress: (message: string) => messages.push(message) }
      await (await start(t, options)).stop()
    }
    t.equal(messages.length, 1)
    t.match(messages[0], /cannot reach .*Copying it to/)
    t.match(await readdir(sharedDir), [/^postgresql-18-[0-9a-f]{12}$/])
  })
})

/** A folder that only root can enter, and an empty one, not yet made, for what has to go elsewhere. */
async function lockedFolder(t: Test): Promise<{ locked: string; sharedDir: string }> {
  const folder = await temporaryFolder(t)
  await chmod(folder, 0o755)
  const locked = join(folder, 'locked')
  await mkdir(locked, { mode: 0o700 })
  return { locked, sharedDir: join(folder, 'shared') }
}

async function uidOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])
}
