import type { Trx } from '@parley/db'
import {
  DummyDriver,
  Kysely,
  type LogEvent,
  PostgresAdapter,
  PostgresDialect,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
} from 'kysely'
import pg from 'pg'

export type Statement = { text: string; values: unknown[] }

/** The very statements that a query sends: compiled by the product's own code, on a database that is not there. */
export async function compiledStatements(work: (trx: Trx) => Promise<unknown>): Promise<Statement[]> {
  const statements: Statement[] = []
  const nowhere = new Kysely<unknown>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: db => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
    log: event => {
      statements.push(statementOf(event))
    },
  })
  await work(nowhere as unknown as Trx)
  return statements
}

/** The same, where what is sent depends on what comes back: it is run once in the workspace, which it has to leave as it is. */
export async function sentStatements(
  { databaseUrl, workspace_id }: { databaseUrl: string; workspace_id: string },
  work: (trx: Trx) => Promise<unknown>,
): Promise<Statement[]> {
  const statements: Statement[] = []
  const database = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: databaseUrl, max: 1 }) }),
    log: event => {
      statements.push(statementOf(event))
    },
  })
  try {
    await database.transaction().execute(async trx => {
      await sql`select set_config('role', 'parley_app', true), set_config('parley.workspace_id', ${workspace_id}, true)`.execute(
        trx,
      )
      statements.length = 0
      await work(trx as unknown as Trx)
    })
  } finally {
    await database.destroy()
  }
  return statements.filter(({ text }) => text !== 'commit')
}

const statementOf = ({ query }: LogEvent): Statement => ({ text: query.sql, values: [...query.parameters] })
