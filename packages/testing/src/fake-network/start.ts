import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type Remote, startRemote } from '../remote.ts'
import type { Commands } from './commands.ts'
import { type RecordEntry, readRecord } from './record.ts'

const MAIN = fileURLToPath(new URL('../../dist/fake-network/main.js', import.meta.url))

export type FakeNetwork = Remote<Commands> & {
  /** Its Bluesky, to be called as `service_url`. */
  url: string
  /** Everything that it did so far. */
  record: () => RecordEntry[]
}

/** Starts the network that Parley is tested against, in a process of its own; it ends with the test. */
export async function startFakeNetwork(t: Test): Promise<FakeNetwork> {
  const names: (keyof Commands)[] = [
    'send',
    'addAccount',
    'publish',
    'publishPoison',
    'withdraw',
    'misbehave',
    'restore',
  ]
  const { remote, url, file } = await startRemote<Commands>(t, MAIN, names)
  return { ...remote, url, record: () => readRecord(file) }
}
