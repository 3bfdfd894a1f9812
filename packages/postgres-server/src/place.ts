import { createHash } from 'node:crypto'
import { chmod, cp, mkdtemp, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type Binaries, binariesIn } from './binaries.ts'
import { unfinishedPrefix } from './cluster.ts'
import type { Account } from './commands.ts'
import { canEnter, findAccount, makePassableFolder, ownFolder } from './run-as.ts'

/** Everything of one server: its `data`, `password`, `owner.pid` and `postgres.log` are in `folder`. */
export type Place = { folder: string; account: Account | undefined }

const ours = ['data', 'password', 'owner.pid', 'postgres.log', 'postgres.log.old']

/**
 * Decides where the files go and who runs the server, and makes the folder that account's own. That is the folder asked
 * for, unless root asks for one where the account cannot go: then `<sharedDir>/<hash of the path>`.
 * Data once written decides: neither place is left for the other because permissions changed.
 * @throws when the folder holds files of something else, or belongs to another user
 */
export async function findPlace(
  dataDir: string,
  sharedDir: string,
  onProgress: (message: string) => void,
): Promise<Place> {
  const asked = resolve(dataDir)
  await refuseForeignFolder(asked)
  const account = await findAccount(asked)
  if (!account) {
    return own(asked, account)
  }
  const shared = join(sharedDir, createHash('sha256').update(asked).digest('hex').slice(0, 12))
  const hasData = await exists(join(asked, 'data'))
  if (hasData || !(await exists(join(shared, 'data')))) {
    await makePassableFolder(dirname(asked))
    const real = await realpath(asked).catch(() => asked)
    if (await canEnter([dirname(asked), dirname(real)], account)) {
      return own(asked, account)
    }
  }
  if (hasData) {
    throw new Error(
      `The database in ${asked} belongs to user ${account.uid}, who can no longer enter ${dirname(asked)}. ` +
        'Give that user access (chmod o+x on each folder above it), or choose another folder.',
    )
  }
  onProgress(
    `PostgreSQL cannot run as root, and user ${account.uid}, who runs it, cannot enter ${dirname(asked)}. ` +
      `Its files are in ${shared} instead.`,
  )
  await makePassableFolder(sharedDir)
  return own(shared, (await findAccount(shared)) ?? account)
}

/** One spelling of the path from here on: a server left behind is known by the path on its command line. */
async function own(folder: string, account: Account | undefined): Promise<Place> {
  await ownFolder(folder, account)
  return { folder: await realpath(folder), account }
}

/** The folder is given to another user, so a mistaken path (a home folder, say) must not get that far. */
async function refuseForeignFolder(folder: string): Promise<void> {
  const names: string[] = await readdir(folder).catch(error => {
    if (error.code === 'ENOENT') return []
    throw new Error(`${folder} cannot be used for a database: ${error.message}`, { cause: error })
  })
  const foreign = names.find(name => !ours.includes(name) && !name.startsWith(unfinishedPrefix))
  if (foreign && !names.includes('password')) {
    throw new Error(
      `${folder} holds files that are not a Parley database (${foreign}). Choose an empty or a new folder.`,
    )
  }
}

/**
 * The binaries where the account can run them: the installed ones, or a copy in `sharedDir`, made once. The copy is
 * named by the server program's content, so clones share it and an upgrade gets its own.
 */
export async function reachableBinaries(
  binaries: Binaries,
  account: Account | undefined,
  sharedDir: string,
  onProgress: (message: string) => void,
): Promise<Binaries> {
  const { nativeDir, major } = binaries
  const folders = [join(nativeDir, 'bin'), join(nativeDir, 'lib'), join(nativeDir, 'share/postgresql')]
  if (!account || (await canEnter(folders, account))) return binaries
  const hash = createHash('sha256').update(await readFile(binaries.postgres))
  const copy = join(sharedDir, `postgresql-${major}-${hash.digest('hex').slice(0, 12)}`)
  if (!(await exists(copy))) {
    onProgress(`User ${account.uid}, who runs PostgreSQL, cannot reach ${nativeDir}. Copying it to ${copy}.`)
    await makePassableFolder(sharedDir)
    const unfinished = await mkdtemp(`${copy}.new-`)
    await cp(nativeDir, unfinished, { recursive: true, verbatimSymlinks: true })
    await openToAll(unfinished)
    await rename(unfinished, copy).catch(async error => {
      await rm(unfinished, { recursive: true, force: true })
      if (!(await exists(copy))) throw error // else another process was first, with the same files
    })
  }
  return { ...binariesIn(copy), major }
}

/** An installation under umask 077 can be read by its owner only, and so could a plain copy. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await openToAll(path)
    else if (entry.isFile()) await chmod(path, (await stat(path)).mode & 0o100 ? 0o755 : 0o644)
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
