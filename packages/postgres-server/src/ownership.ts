import { rmSync } from 'node:fs'
import { chown, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Binaries } from './binaries.ts'
import { run } from './commands.ts'
import type { Place } from './place.ts'
import { findCommand, findStart } from './processes.ts'

/** Beyond the largest process number of any system (Linux stops at 2^22), so no process has it. */
const noPid = 2_147_483_647

/**
 * Takes the folder for this process, for as long as it lives or until `release`. Returns `release`.
 * A claim whose process has ended counts for nothing, also when its number has meanwhile gone to another process.
 * @throws when a living process, this one included, has the folder
 */
export async function claimFolder({ folder }: Place): Promise<() => void> {
  const path = join(folder, 'owner.pid')
  const claim = `${process.pid}\n${await findStart(process.pid)}\n`
  for (;;) {
    try {
      await writeFile(path, claim, { flag: 'wx', mode: 0o644 })
      return () => rmSync(path, { force: true })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
    const [pid, start] = (await readFile(path, 'utf8')).split('\n')
    if (start && start === (await findStart(Number(pid)))) {
      throw new Error(
        `The database in ${folder} is in use by process ${pid}, which is still running. ` +
          `Stop that process first (kill ${pid}), or choose another folder.`,
      )
    }
    await rm(path, { force: true })
  }
}

/**
 * Ends what an earlier owner, killed before it could stop its server, left behind: the server itself, if it lives, or a
 * `postmaster.pid` that would keep a new one from starting. Call with the folder claimed.
 */
export async function clearLeftovers(
  place: Place,
  binaries: Binaries,
  onProgress: (message: string) => void,
): Promise<void> {
  const data = join(place.folder, 'data')
  const pidFile = join(data, 'postmaster.pid')
  const content = await readFile(pidFile, 'utf8').catch(() => undefined)
  if (content === undefined) return
  const pid = Number.parseInt(content, 10)
  if (await isServerOf(data, pid)) {
    onProgress(`Stopping the PostgreSQL server (process ${pid}) that an earlier run left behind.`)
    const stop = await run(binaries.pg_ctl, ['stop', '-D', data, '-m', 'fast', '-w', '-t', '60'], place.account)
    if (stop.code !== 0 && (await isServerOf(data, pid))) {
      throw new Error(`The PostgreSQL server (process ${pid}) left in ${data} does not stop: ${stop.output}`)
    }
    return
  }
  // PostgreSQL takes any live process with this number for a server. Rewritten rather than removed: the file also names
  // the shared memory, by which a new server knows that backends of the old one are still writing.
  const rewritten = `${pidFile}.new`
  await rm(rewritten, { force: true })
  await writeFile(rewritten, content.replace(/^.*/, `${noPid}`), { flag: 'wx', mode: 0o600 })
  if (place.account) await chown(rewritten, place.account.uid, place.account.gid)
  await rename(rewritten, pidFile)
}

/** By its command line, which PostgreSQL leaves as `startServer` wrote it; the pid file may be a copy of another's. */
async function isServerOf(data: string, pid: number): Promise<boolean> {
  return `${await findCommand(pid)} `.includes(` -D ${data} `)
}
