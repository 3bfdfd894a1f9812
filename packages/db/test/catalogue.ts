import { randomBytes, randomUUID } from 'node:crypto'
import { testDatabase, testEnvironment } from '@parley/testing'
import pg from 'pg'
import type { Test } from 'tap'

/** A connection past row-level security, closed when the test ends. */
export async function superuser(t: Test, databaseUrl: string): Promise<pg.Client> {
  const url = new URL((await testEnvironment()).postgresUrl)
  url.pathname = new URL(databaseUrl).pathname
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  t.teardown(() => client.end())
  return client
}

/** An empty database whose owner is the one of the others. */
export async function emptyDatabase(t: Test): Promise<string> {
  const url = new URL((await testDatabase(t)).url)
  const name = `parley_empty_${randomBytes(8).toString('hex')}`
  const root = new pg.Client({ connectionString: (await testEnvironment()).postgresUrl })
  await root.connect()
  await root.query(`create database ${name} owner ${url.username}`)
  t.teardown(async () => {
    await root.query(`drop database ${name} with (force)`)
    await root.end()
  })
  url.pathname = `/${name}`
  return url.href
}

export type Column = { name: string; type: string; default: string | null; identity: boolean }
export type Table = { name: string; columns: Column[] }

/** The tables of the product, as the migrations left them. */
export async function listTables(client: pg.Client): Promise<Table[]> {
  const { rows } = await client.query<Table>(`
    select c.relname as name, json_agg(json_build_object(
      'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'default', pg_get_expr(d.adbin, d.adrelid),
      'identity', a.attidentity <> '') order by a.attnum) as columns
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace and c.relname <> 'schema_migrations'
    group by c.relname order by c.relname`)
  return rows
}

/** Which column of a table names the workspace. */
export const workspaceColumn = (table: string) => (table === 'workspaces' ? 'id' : 'workspace_id')

/** Words that check constraints ask for: the first one of each column. */
async function firstWords(client: pg.Client): Promise<Map<string, string>> {
  const { rows } = await client.query<{ table: string; definition: string }>(`
    select conrelid::regclass::text as table, pg_get_constraintdef(oid) as definition from pg_constraint
    where contype = 'c' and connamespace = 'public'::regnamespace`)
  const words = rows.flatMap(({ table, definition }) => {
    const match = /^CHECK \(\((\w+) = ANY \(ARRAY\['(\w+)'::text/.exec(definition)
    return match ? [[`${table}.${match[1]}`, match[2]!] as const] : []
  })
  return new Map(words)
}

const AT = '2026-01-01T00:00:00Z'
const VALUES: Record<string, () => unknown> = {
  uuid: randomUUID,
  text: () => `x${randomUUID()}`,
  integer: () => 1 + randomBytes(3).readUIntBE(0, 3),
  smallint: () => 1 + randomBytes(1)[0]!,
  real: () => randomBytes(1)[0]! / 256,
  bigint: () => 1 + randomBytes(4).readUInt32BE(),
  boolean: () => false,
  bytea: () => randomBytes(32),
  'text[]': () => [],
  'uuid[]': () => [],
  json: () => '{}',
  jsonb: () => '{}',
  xid8: () => '1',
  tsvector: () => 'word',
  'timestamp(3) with time zone': () => AT,
}

/** What a row whose other columns are filled may not have: of the clocks of waits none is a message's. */
const EMPTY = new Set(['sla_clocks.message_id'])

/** One row that a table takes: every column filled, but those that fill themselves, or have to be empty. */
export async function someRow(client: pg.Client, table: Table, workspace_id: string): Promise<Record<string, unknown>> {
  const words = await firstWords(client)
  const own = workspaceColumn(table.name)
  const filled = table.columns.filter(
    ({ name, default: filling, identity }) =>
      name === own || (!filling && !identity && !EMPTY.has(`${table.name}.${name}`)),
  )
  return Object.fromEntries(
    filled.map(({ name, type }) => {
      if (name === own) return [name, workspace_id]
      const value = words.get(`${table.name}.${name}`) ?? VALUES[type]?.()
      if (value === undefined) throw new Error(`no value is known for ${table.name}.${name} of type ${type}`)
      return [name, value]
    }),
  )
}

export function insertStatement(table: string, row: Record<string, unknown>) {
  const names = Object.keys(row)
  const places = names.map((_, index) => `$${index + 1}`)
  return {
    text: `insert into ${table} (${names.join(', ')}) values (${places.join(', ')})`,
    values: Object.values(row),
  }
}

/** A row in every table, without regard to what they refer to. */
export async function fillWorkspace(client: pg.Client, tables: Table[], workspace_id: string): Promise<void> {
  await client.query('set session_replication_role = replica')
  for (const table of tables)
    await client.query(insertStatement(table.name, await someRow(client, table, workspace_id)))
  await client.query('set session_replication_role = default')
}
