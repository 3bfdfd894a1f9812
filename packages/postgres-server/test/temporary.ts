import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Test } from 'tap'
import { type PostgresOptions, type PostgresServer, startPostgres } from '../src/index.ts'

export const isRoot = process.getuid?.() === 0

/** A new empty folder in a place that any user can reach, removed when the test ends. */
export async function temporaryFolder(t: Test): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'parley-pg-')))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A server that does not wait for the disk, stopped when the test ends. */
export async function start(t: Test, options: PostgresOptions): Promise<PostgresServer> {
  const server = await startPostgres({ ...options, settings: { fsync: 'off', ...options.settings } })
  t.teardown(() => server.stop('immediate'))
  return server
}

/** The first column of the rows. */
export async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
    return rows.map(row => row[0])
  } finally {
    await client.end()
  }
}
