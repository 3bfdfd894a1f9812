import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Binaries } from './binaries.ts'
import { childEnv } from './commands.ts'
import { openLog, readTail, sizeOf } from './log-file.ts'
import type { Place } from './place.ts'

export type Exit = { code: number | null; signal: NodeJS.Signals | null }
export type Postmaster = { child: ChildProcess; pid: number; exited: Promise<Exit> }

const pollMs = 20
const fastStopMs = 60_000
const immediateStopMs = 10_000

/**
 * Starts the server and waits until it takes connections. `quietMs` is how long its log may stand still meanwhile: a
 * recovery after a crash may take minutes, but says every ten seconds that it goes on.
 * @throws with the last lines of the log, when the server ends or stands still; it does not run then
 */
export async function startPostmaster(
  { folder, account }: Place,
  { postgres }: Binaries,
  settings: Record<string, string>,
  quietMs: number,
): Promise<Postmaster> {
  const data = join(folder, 'data')
  const log = await openLog({ folder, account })
  try {
    const from = await sizeOf(log.file)
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    // A process group of its own: Ctrl-C reaches the caller alone, who stops the applications before their database.
    const child = spawn(postgres, ['-D', data, ...args], {
      cwd: '/',
      env: childEnv,
      detached: true,
      stdio: ['ignore', log.file.fd, log.file.fd],
      ...account,
    })
    const exited = new Promise<Exit>(resolve => child.once('exit', (code, signal) => resolve({ code, signal })))
    await once(child, 'spawn')
    const postmaster = { child, pid: child.pid!, exited }

    let size = from
    for (let quiet = 0; quiet < quietMs; quiet += pollMs) {
      if (child.exitCode !== null || child.signalCode !== null) {
        const end = child.signalCode ?? `code ${child.exitCode}`
        throw new Error(
          `PostgreSQL ended (${end}) at its start. The end of ${log.path}:\n${await readTail(log.file, from)}`,
        )
      }
      if (await isReady(data, postmaster.pid)) return postmaster
      await sleep(pollMs)
      const grown = await sizeOf(log.file)
      if (grown > size) quiet = 0
      size = grown
    }
    await stopPostmaster(postmaster, 'immediate')
    throw new Error(
      `PostgreSQL was not ready within ${quietMs / 1000} s. The end of ${log.path}:\n${await readTail(log.file, from)}`,
    )
  } finally {
    await log.file.close()
  }
}

/** PostgreSQL's own way to tell, as pg_ctl reads it: line 8 of the pid file. */
async function isReady(data: string, pid: number): Promise<boolean> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready'
}

/**
 * Returns when the server has ended. `fast` breaks off sessions and writes everything out; when that takes over a minute
 * it becomes `immediate`, which leaves committed data to be recovered at the next start.
 */
export async function stopPostmaster({ child, exited }: Postmaster, mode: 'fast' | 'immediate'): Promise<void> {
  if (mode === 'fast') {
    child.kill('SIGINT')
    if (await endsWithin(exited, fastStopMs)) return
  }
  child.kill('SIGQUIT')
  if (await endsWithin(exited, immediateStopMs)) return
  child.kill('SIGKILL')
  await exited
}

async function endsWithin(exited: Promise<Exit>, ms: number): Promise<boolean> {
  const timer = new AbortController()
  const late = sleep(ms, false, { signal: timer.signal }).catch(() => false)
  const ended = await Promise.race([exited.then(() => true), late])
  timer.abort()
  return ended
}
