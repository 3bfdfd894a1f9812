import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Commands, FromNetwork } from './commands.ts'
import { type RecordEntry, readRecord } from './record.ts'

const MAIN = fileURLToPath(new URL('../../dist/fake-network/main.js', import.meta.url))

type Remote = { [K in keyof Commands]: (...args: Parameters<Commands[K]>) => Promise<Awaited<ReturnType<Commands[K]>>> }

export type FakeNetwork = Remote & {
  /** Its Bluesky, to be called as `service_url`. */
  url: string
  /** Everything that it did so far. */
  record: () => RecordEntry[]
}

/** Starts the network that Parley is tested against, in a process of its own; it ends with the test. */
export async function startFakeNetwork(t: Test): Promise<FakeNetwork> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-network-'))
  const file = join(folder, 'record.jsonl')
  const child = fork(MAIN, [file], { execArgv: [], env: { PATH: process.env.PATH } })
  const exited = new Promise(resolve => child.once('exit', resolve))
  const open = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  let calls = 0
  const url = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.on('message', (message: FromNetwork) => {
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
    (name: keyof Commands) =>
    (...args: unknown[]) =>
      new Promise((resolve, reject) => {
        calls += 1
        open.set(calls, { resolve, reject })
        child.send({ call: calls, name, args })
      })
  const names = ['send', 'addAccount', 'publish', 'publishPoison', 'misbehave', 'restore'] as const
  const remote = Object.fromEntries(names.map(name => [name, command(name)])) as Remote
  return { ...remote, url, record: () => readRecord(file) }
}
