import {
  type CompiledQuery,
  type ConnectionProvider,
  type DatabaseConnection,
  DummyDriver,
  Kysely,
  type KyselyConfig,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
} from 'kysely'
import type pg from 'pg'
import { asParameters } from './array-literal.ts'
import type { DB } from './tables.generated.ts'

const dialect: KyselyConfig['dialect'] = {
  createAdapter: () => new PostgresAdapter(),
  createDriver: () => new DummyDriver(),
  createIntrospector: db => new PostgresIntrospector(db),
  createQueryCompiler: () => new PostgresQueryCompiler(),
}
const config: KyselyConfig = { dialect }
const driver = dialect.createDriver()
const compiler = new Kysely<DB>(config)
const executor = compiler.getExecutor()

export const compile = <T>(statement: RawBuilder<T>): CompiledQuery<T> => statement.compile(compiler)

export type TransactionQueries = {
  queries: Kysely<DB>
  /** Lets no further query through. */
  end: () => void
  /** What failed first: everything sent behind it fails as well, and says only that something did. */
  firstFailure: () => unknown
}

/**
 * Kysely on one connection. Its own pool dialect lets a connection run one query at a time; here a query goes out when
 * it is asked for, behind those whose answers are still awaited, and PostgreSQL runs them in that order. Queries that
 * do not need each other's rows then share a round trip: `await Promise.all([…])`.
 */
export function queriesOn(client: pg.ClientBase): TransactionQueries {
  let ended = false
  let failure: unknown
  const connection: DatabaseConnection = {
    executeQuery: async ({ sql, parameters }) => {
      // Work that nobody waited for must not reach into the next transaction of this connection.
      if (ended) throw new Error('the transaction is over')
      const { command, rowCount, rows } = await client.query(sql, asParameters(parameters)).catch(error => {
        failure ??= error
        throw error
      })
      const changes = command === 'INSERT' || command === 'UPDATE' || command === 'DELETE' || command === 'MERGE'
      return { rows: rows ?? [], ...(changes ? { numAffectedRows: BigInt(rowCount ?? 0) } : {}) }
    },
    // biome-ignore lint/correctness/useYield: results are read whole, a page at a time
    streamQuery: async function* () {
      throw new Error('results are not streamed')
    },
  }
  const provider: ConnectionProvider = { provideConnection: consumer => consumer(connection) }
  const queries = new Kysely<DB>({ config, dialect, driver, executor: executor.withConnectionProvider(provider) })
  const end = () => {
    ended = true
  }
  return { queries, end, firstFailure: () => failure }
}
