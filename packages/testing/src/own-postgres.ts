import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '@parley/db'
import { startPostgres } from '@parley/postgres-server'
import type { Test } from 'tap'
import type { TestDatabase } from './database.ts'
import { createTemplate, ownersUrl, TEMPLATE } from './servers.ts'

/** A PostgreSQL of the test's own, with a migrated database, which the test may restart. */
export async function ownPostgres(t: Test): Promise<TestDatabase & { restart: () => Promise<void> }> {
  const dataDir = join(await mkdtemp(join(tmpdir(), 'parley-postgres-')), 'postgres')
  const settings = { fsync: 'off', max_connections: '100' }
  let server = await startPostgres({ dataDir, settings })
  await createTemplate(server.url())
  const url = ownersUrl(server.url(), TEMPLATE)
  const db = openDatabase({ url, poolSize: 8 })
  t.teardown(async () => {
    await db.close()
    await server.stop('immediate')
    await Promise.all([dataDir, server.dataDir].map(path => rm(path, { recursive: true, force: true })))
  })
  const restart = async () => {
    await server.stop('fast')
    server = await startPostgres({ dataDir, settings, port: server.port })
  }
  return { db, url, restart }
}
