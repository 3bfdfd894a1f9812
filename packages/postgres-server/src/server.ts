import { setTimeout as sleep } from 'node:timers/promises'
import { type Binaries, findBinaries } from './binaries.ts'
import { ensureCluster } from './cluster.ts'
import { claimFolder, clearLeftovers } from './ownership.ts'
import { findPlace, type Place, reachableBinaries } from './place.ts'
import { findPort } from './port.ts'
import { type Exit, type Postmaster, startPostmaster, stopPostmaster } from './postmaster.ts'

export type PostgresOptions = {
  /** A folder for this server alone: `data`, `password`, `owner.pid` and `postgres.log` are kept in it. */
  dataDir: string
  /** 0, the default, takes a free one. */
  port?: number
  /** Configuration parameters by name. `fsync: 'off'` also makes the database files without waiting for the disk. */
  settings?: Record<string, string>
  /** Told, in sentences for a person, what takes long or goes elsewhere. */
  onProgress?: (message: string) => void
  /** How long a start may take without a word in the log; 60 000 by default. */
  quietMs?: number
  /** `bin`, `lib` and `share` of a PostgreSQL to run instead of the installed package's. */
  nativeDir?: string
  /** Where root puts what the server's user could not reach elsewhere; `/var/lib/parley` by default. */
  sharedDir?: string
}

export type PostgresServer = {
  /** Connects as the superuser; holds the password. */
  url(database?: string): string
  port: number
  /** Where the files are: the real path of the folder asked for, or the place that root had to use instead. */
  dataDir: string
  pid: number
  /** Whether this start made the database. */
  initialised: boolean
  /** Returns when the server has ended; twice is safe. `fast` finishes cleanly, `immediate` is for data of no worth. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>
  /** When the server ends, whether stopped or not. Never rejects. */
  exited: Promise<Exit>
}

/**
 * Starts a PostgreSQL server on 127.0.0.1 over the files in `dataDir`, made when missing, and returns when it takes
 * connections. It survives Ctrl-C and the death of this process, so `stop` it; a server that was left running is stopped
 * by the next start of its folder.
 * @throws with what to do: no PostgreSQL for this platform, port taken, folder in use, of another version or not ours
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const { dataDir, port = 0, settings = {}, quietMs = 60_000, sharedDir = '/var/lib/parley' } = options
  const onProgress = options.onProgress ?? (() => {})
  const installed = await findBinaries(options.nativeDir)
  const place = await findPlace(dataDir, sharedDir, onProgress)
  const binaries = await reachableBinaries(installed, place.account, sharedDir, onProgress)
  const release = await claimFolder(place)
  try {
    await clearLeftovers(place, binaries, onProgress)
    const { password, initialised } = await ensureCluster(place, binaries, settings.fsync !== 'off')
    const { postmaster, port: taken } = await startOnPort(place, binaries, port, settings, quietMs)
    const exited = postmaster.exited.then(exit => {
      release()
      return exit
    })
    return {
      url: (database = 'postgres') =>
        `postgres://postgres:${password}@127.0.0.1:${taken}/${encodeURIComponent(database)}`,
      port: taken,
      dataDir: place.folder,
      pid: postmaster.pid,
      initialised,
      async stop(mode = 'fast') {
        await stopPostmaster(postmaster, mode)
        await exited
      },
      exited,
    }
  } catch (error) {
    release()
    throw error
  }
}

async function startOnPort(
  place: Place,
  binaries: Binaries,
  asked: number,
  settings: Record<string, string>,
  quietMs: number,
): Promise<{ postmaster: Postmaster; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = await findPort(asked)
    const all = {
      shared_buffers: '128MB',
      ...settings,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      port: `${port}`,
    }
    try {
      return { postmaster: await startPostmaster(place, binaries, all, quietMs), port }
    } catch (error) {
      // Either passes: another program took the free port first, or backends of a killed server are about to notice.
      const passing = error instanceof Error && /Address already in use|is still in use/.test(error.message)
      if (!passing || attempt === 10) throw error
      await sleep(200)
    }
  }
}
