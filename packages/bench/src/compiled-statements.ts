import type { Trx } from '@parley/db'
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'

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
      statements.push({ text: event.query.sql, values: [...event.query.parameters] })
    },
  })
  await work(nowhere as unknown as Trx)
  return statements
}
