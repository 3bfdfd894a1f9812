import { randomBytes } from 'node:crypto'
import { type Database, openDatabase } from '@parley/db'
import pg from 'pg'
import type { Test } from 'tap'
import { testEnvironment } from './environment.ts'
import { ownersUrl, TEMPLATE } from './servers.ts'

export type TestDatabase = { db: Database; url: string }

/** A database of the test's own, a copy of the migrated template; dropped when the test ends. */
export async function testDatabase(t: Test): Promise<TestDatabase> {
  return copyOf(t, TEMPLATE)
}

/** A copy of a database as it stands, as a restored backup is. Connections to the first one are ended for it. */
export async function restoredDatabase(t: Test, url: string): Promise<TestDatabase> {
  const { postgresUrl } = await testEnvironment()
  const name = new URL(url).pathname.slice(1)
  await onServer(postgresUrl, `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`)
  return copyOf(t, name)
}

async function copyOf(t: Test, template: string): Promise<TestDatabase> {
  const { postgresUrl } = await testEnvironment()
  const name = `parley_test_${randomBytes(8).toString('hex')}`
  const url = ownersUrl(postgresUrl, name)
  const owner = new URL(url).username
  await onServer(postgresUrl, `create database ${name} template ${template} owner ${owner}`)
  const db = openDatabase({ url, poolSize: 8 })
  t.teardown(async () => {
    await db.close()
    await onServer(postgresUrl, `drop database ${name} with (force)`)
  })
  return { db, url }
}

async function onServer(postgresUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgresUrl })
  await client.connect()
  try {
    // A template with a session in it cannot be copied; other test files copy it at the same time, one after another.
    await client.query('select pg_advisory_lock(7241)')
    await client.query(statement)
  } finally {
    await client.end()
  }
}
