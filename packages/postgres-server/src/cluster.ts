import { randomBytes } from 'node:crypto'
import { chown, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Binaries } from './binaries.ts'
import { run } from './commands.ts'
import type { Place } from './place.ts'

export const unfinishedPrefix = 'data.new-'

/**
 * Makes the database files when there are none yet. They get their name only when complete, so that an initdb cut short
 * is simply done again. `sync: false` spares the disk, for data that need not survive a power cut.
 * @throws when the files there are of another major version
 */
export async function ensureCluster(
  { folder, account }: Place,
  { initdb, major }: Binaries,
  sync: boolean,
): Promise<{ password: string; initialised: boolean }> {
  await removeUnfinished(folder)
  const data = join(folder, 'data')
  const passwordFile = join(folder, 'password')
  const version = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (version !== undefined) {
    if (version.trim() !== major) {
      throw new Error(
        `The database in ${data} was made by PostgreSQL ${version.trim()}, and this is PostgreSQL ${major}. ` +
          `Dump it with PostgreSQL ${version.trim()} and restore the dump into a new folder, ` +
          'or set DATABASE_URL to a server of that version.',
      )
    }
    const password = await readFile(passwordFile, 'utf8').catch(cause => {
      throw new Error(`The password of the database in ${folder} cannot be read: ${cause.message}`, { cause })
    })
    return { password, initialised: false }
  }

  const password = randomBytes(24).toString('base64url')
  await rm(passwordFile, { force: true })
  await writeFile(passwordFile, password, { flag: 'wx', mode: 0o600 })
  if (account) await chown(passwordFile, account.uid, account.gid)

  // A new name each time: the initdb of a killed parent may still be writing under the last one.
  const unfinished = join(folder, `${unfinishedPrefix}${randomBytes(4).toString('hex')}`)
  // One sort order on every machine, whatever locales and ICU it has: code points, with Unicode's upper and lower case.
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const access = ['--username=postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256']
  const args = [`--pgdata=${unfinished}`, ...locale, ...access, '--no-instructions', ...(sync ? [] : ['--no-sync'])]
  const made = await run(initdb, args, account)
  if (made.code !== 0) throw new Error(`The database in ${folder} could not be made: ${made.output}`)
  await rename(unfinished, data)
  return { password, initialised: true }
}

/** What cannot be removed yet, as an initdb is still adding to it, is removed by a later start. */
async function removeUnfinished(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter(name => name.startsWith(unfinishedPrefix))
  await Promise.allSettled(names.map(name => rm(join(folder, name), { recursive: true, force: true })))
}
