import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type Remote, startRemote } from '../remote.ts'
import { COMMANDS, type MastodonCommands } from './commands.ts'
import { type MastodonEntry, readMastodonRecord } from './record.ts'

const MAIN = fileURLToPath(new URL('../../dist/fake-mastodon/main.js', import.meta.url))

export type FakeMastodonServer = Remote<MastodonCommands> & {
  /** To be called as `server_url`. */
  url: string
  /** Everything that it did so far. */
  record: () => MastodonEntry[]
}

/** Starts a server that speaks Mastodon's API, in a process of its own; it ends with the test. */
export async function startFakeMastodon(t: Test): Promise<FakeMastodonServer> {
  const { remote, url, file } = await startRemote<MastodonCommands>(t, MAIN, COMMANDS)
  return { ...remote, url, record: () => readMastodonRecord(file) }
}

/** A customer's own client, of another maker than ours. */
export async function mastodonClient(url: string, accessToken: string) {
  // Only these tests need it.
  const { createRestAPIClient } = await import('masto')
  return createRestAPIClient({ url, accessToken })
}
