import { type PostgresServer, startPostgres } from '@parley/postgres-server'
import pg from 'pg'

const ROLE = 'parley'
const DATABASE = 'parley'

export type EmbeddedDatabase = { url: string; server: PostgresServer }

/**
 * Starts the PostgreSQL that lives in the data folder, with a database owned by a role that is no superuser: the
 * services run with no more rights than on a hosted PostgreSQL.
 */
export async function startEmbeddedDatabase(
  dataDir: string,
  password: string,
  onProgress: (message: string) => void,
): Promise<EmbeddedDatabase> {
  const server = await startPostgres({ dataDir, onProgress, settings: { max_connections: '120' } })
  const client = new pg.Client({ connectionString: server.url() })
  await client.connect()
  try {
    const role = await client.query('select from pg_roles where rolname = $1', [ROLE])
    if (role.rowCount === 0) await client.query(`create role ${ROLE} login createrole noinherit password '${password}'`)
    const database = await client.query('select from pg_database where datname = $1', [DATABASE])
    if (database.rowCount === 0) await client.query(`create database ${DATABASE} owner ${ROLE}`)
  } finally {
    await client.end()
  }
  const url = new URL(server.url(DATABASE))
  url.username = ROLE
  url.password = password
  return { url: url.href, server }
}
