import { setTimeout as delay } from 'node:timers/promises'
import { Kysely, PostgresDialect, sql } from 'kysely'
import pg from 'pg'
import type { DB } from './tables.generated.ts'

declare const scope: unique symbol

/** A transaction inside one workspace: row-level security shows this workspace and nothing else. */
export type Trx = Kysely<DB> & { readonly [scope]?: 'workspace' }

/** A transaction that may look for due work across workspaces, read a few columns and write nothing. */
export type SystemTrx = Kysely<DB> & { readonly [scope]?: 'system' }

export type DatabaseOptions = {
  url: string
  /** Where reports may be read instead; a little behind. */
  replicaUrl?: string | undefined
  poolSize?: number
  /** How long one statement may run before Postgres ends it. */
  statementTimeoutMs?: number
  /** Called when an idle connection breaks; the pool replaces it by itself. */
  onError?: (error: Error) => void
}

/** SQLSTATEs after which the same transaction may simply be run again: serialization failure, deadlock. */
const RETRYABLE = new Set(['40001', '40P01'])
const MAX_TRIES = 4
const CLOSE_MS = 5_000

/** Opens the pools. Nothing is connected until the first query. */
export function openDatabase(options: DatabaseOptions): Database {
  return new Database(options)
}

export class Database {
  readonly pool: pg.Pool
  readonly #main: Kysely<DB>
  readonly #replica: Kysely<DB>
  readonly #limits: string

  constructor(options: DatabaseOptions) {
    this.pool = createPool(options.url, options)
    this.#main = new Kysely<DB>({ dialect: new PostgresDialect({ pool: this.pool }) })
    this.#replica = options.replicaUrl
      ? new Kysely<DB>({ dialect: new PostgresDialect({ pool: createPool(options.replicaUrl, options) }) })
      : this.#main
    const statementTimeoutMs = options.statementTimeoutMs ?? 10_000
    // Local settings, not connection options: a pooler in front would refuse or leak those.
    this.#limits = [
      `set local statement_timeout = ${statementTimeoutMs}`,
      `set local lock_timeout = ${Math.ceil(statementTimeoutMs / 2)}`,
      `set local idle_in_transaction_session_timeout = ${statementTimeoutMs * 2}`,
    ].join('; ')
  }

  /**
   * Runs `work` in one transaction of one workspace. A deadlock or serialization failure runs it again, so `work`
   * touches nothing but the database.
   */
  async inWorkspace<T>(workspace_id: string, work: (trx: Trx) => Promise<T>): Promise<T> {
    return this.#transaction(this.#main, workspaceScope(workspace_id), work)
  }

  /** Like inWorkspace, for reports that may be a little behind: uses the replica where there is one. */
  async readInWorkspace<T>(workspace_id: string, work: (trx: Trx) => Promise<T>): Promise<T> {
    return this.#transaction(this.#replica, `${workspaceScope(workspace_id)}; set local transaction read only`, work)
  }

  /** Looks for due work across workspaces. What it finds is then worked on with inWorkspace. */
  async asSystem<T>(work: (trx: SystemTrx) => Promise<T>): Promise<T> {
    return this.#transaction(this.#main, 'set local role parley_system; set local transaction read only', work)
  }

  async close(): Promise<void> {
    const pools = this.#replica === this.#main ? [this.#main] : [this.#main, this.#replica]
    // A connection that breaks at this very moment may never say that it has ended.
    const timeout = new AbortController()
    const late = delay(CLOSE_MS, undefined, { signal: timeout.signal }).catch(() => {})
    await Promise.race([Promise.all(pools.map(pool => pool.destroy())), late])
    timeout.abort()
  }

  async #transaction<T>(db: Kysely<DB>, setScope: string, work: (trx: Kysely<DB>) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await db.connection().execute(async connection => {
          // Role, workspace and limits go out together with `begin`: one round trip.
          await sql.raw(`begin; ${setScope}; ${this.#limits}`).execute(connection)
          try {
            const result = await work(connection)
            await sql.raw('commit').execute(connection)
            return result
          } catch (error) {
            // On a broken connection this fails as well; the pool then discards it, and Postgres rolls back by itself.
            await sql
              .raw('rollback')
              .execute(connection)
              .catch(() => {})
            throw error
          }
        })
      } catch (error) {
        if (attempt >= MAX_TRIES || !RETRYABLE.has(sqlState(error) ?? '')) throw error
      }
    }
  }
}

/** The five-character SQLSTATE of an error that Postgres raised; undefined for every other error. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

function workspaceScope(workspace_id: string): string {
  // It is written into the statement, so it must be nothing but a UUID.
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(workspace_id)) throw new TypeError('not a workspace id')
  return `set local role parley_app; set local parley.workspace_id = '${workspace_id}'`
}

function createPool(url: string, options: DatabaseOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.poolSize ?? 10,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'parley',
    types: { getTypeParser },
  })
  pool.on('error', error => options.onError?.(error))
  // The pool listens to idle connections alone. One that breaks inside a transaction, between two queries, would end the
  // process for want of a listener; the next query tells the transaction.
  pool.on('connect', client => client.on('error', () => {}))
  return pool
}

const INT8 = 20
/** bigint columns here count (numbers, sequence positions) and stay far below 2^53. */
const getTypeParser: typeof pg.types.getTypeParser = ((oid: number, format?: 'text' | 'binary') =>
  oid === INT8 && format !== 'binary'
    ? Number
    : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser
