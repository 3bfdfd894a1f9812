import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import pg from 'pg'

const MIGRATIONS = fileURLToPath(new URL('../../../migrations', import.meta.url))
const TABLE = 'schema_migrations'

/** Where node-pg-migrate reports; an applied migration's name is the message. */
export type MigrationLog = (message: string) => void

/**
 * Applies what is missing of `migrations/`, each file in its own transaction, and returns the names applied.
 * Several processes may call it at once: an advisory lock lets one work while the others wait.
 */
export async function migrate(url: string, log: MigrationLog = () => {}): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'parley-migrate' })
  await client.connect()
  try {
    const applied = await runner({
      dbClient: client,
      dir: MIGRATIONS,
      direction: 'up',
      migrationsTable: TABLE,
      singleTransaction: false,
      advisoryLockMode: 'wait',
      log: () => {},
    })
    for (const { name } of applied) log(name)
    return applied.map(({ name }) => name)
  } finally {
    await client.end()
  }
}

/** Names of migrations that the code has and the database has not; empty means ready. */
export async function pendingMigrations(pool: pg.Pool): Promise<string[]> {
  const files = (await readdir(MIGRATIONS)).filter(name => name.endsWith('.sql')).map(name => name.slice(0, -4))
  const { rows } = await pool.query<{ name: string }>(`select name from ${TABLE}`)
  const applied = new Set(rows.map(({ name }) => name))
  return files.filter(name => !applied.has(name)).sort()
}
