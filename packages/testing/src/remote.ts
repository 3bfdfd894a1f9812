import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

// biome-ignore lint/suspicious/noExplicitAny: whatever a process can be told
export type AnyCommands = Record<string, (...args: any[]) => unknown>
export type Remote<C> = {
  [K in keyof C]: C[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never
}

type ToProcess = { call: number; name: string; args: unknown[] }
type FromProcess = { ready: string } | { call: number; result: unknown } | { call: number; failed: string }

/**
 * Starts a part of the outside world in a process of its own, which ends with the test. It is told what to do by name,
 * and writes down in `file` what it did.
 */
export async function startRemote<C>(t: Test, main: string, names: (keyof C & string)[]) {
  const folder = await mkdtemp(join(tmpdir(), 'parley-network-'))
  const file = join(folder, 'record.jsonl')
  const child = fork(main, [file], { execArgv: [], env: { PATH: process.env.PATH } })
  const exited = new Promise(resolve => child.once('exit', resolve))
  const open = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  let calls = 0
  const url = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.on('message', (message: FromProcess) => {
      if ('ready' in message) return resolve(message.ready)
      const asked = open.get(message.call)
      open.delete(message.call)
      if ('failed' in message) asked?.reject(new Error(message.failed))
      else asked?.resolve(message.result)
    })
    child.once('exit', () => {
      const error = new Error('the fake network ended')
      reject(error)
      for (const { reject: fail } of open.values()) fail(error)
    })
  })
  t.teardown(async () => {
    open.clear()
    child.kill('SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true })
  })
  const command =
    (name: string) =>
    (...args: unknown[]) =>
      new Promise((resolve, reject) => {
        calls += 1
        open.set(calls, { resolve, reject })
        child.send({ call: calls, name, args } satisfies ToProcess)
      })
  const remote = Object.fromEntries(names.map(name => [name, command(name)])) as Remote<C>
  return { remote, url, file }
}

/** In the process itself: does what it is told, and ends when its test is gone. `listen` gives its address. */
export async function serveRemote(commands: AnyCommands, listen: () => Promise<string>): Promise<void> {
  const tell = (message: FromProcess) => process.send?.(message)
  process.on('message', async ({ call, name, args }: ToProcess) => {
    try {
      tell({ call, result: (await commands[name]!(...args)) ?? null })
    } catch (error) {
      tell({ call, failed: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
  process.on('disconnect', () => process.exit(1))
  tell({ ready: await listen() })
}
