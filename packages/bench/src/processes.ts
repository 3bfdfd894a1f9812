import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type FileHandle, open } from 'node:fs/promises'
import type { Cleanup } from './cleanup.ts'

export type Started = { process: ChildProcess; stop: () => Promise<void> }

/**
 * Starts a program that ends with the benchmark at the latest. `log` gets both its streams.
 * @returns undefined when there is no such program
 */
export async function startProgram(
  cleanup: Cleanup,
  program: string,
  args: string[],
  { log, env = {}, cwd }: { log: string; env?: Record<string, string>; cwd: string },
): Promise<Started | undefined> {
  const file: FileHandle = await open(log, 'w')
  const child = spawn(program, args, {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', file.fd, file.fd],
  })
  const stop = () => endChild(child)
  cleanup.defer(stop)
  try {
    await once(child, 'spawn')
    return { process: child, stop }
  } catch {
    return undefined
  } finally {
    await file.close()
  }
}

/** Ends a child of ours: politely, and after five seconds by force. Twice is safe. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await exited
  clearTimeout(force)
}
