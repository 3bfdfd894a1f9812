import { setTimeout as delay } from 'node:timers/promises'
import type { Kysely, RawBuilder } from 'kysely'
import pg from 'pg'
import { asParameters } from './array-literal.ts'
import { compile, queriesOn } from './client-queries.ts'
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
const IN_FAILED_TRANSACTION = '25P02'
const MAX_TRIES = 4
const CLOSE_MS = 5_000
const BY_KEYS = [
  'set local jit = off',
  ...['seqscan', 'hashjoin', 'mergejoin'].map(method => `set local enable_${method} = off`),
].join('; ')

/** Opens the pools. Nothing is connected until the first query. */
export function openDatabase(options: DatabaseOptions): Database {
  return new Database(options)
}

export class Database {
  readonly pool: pg.Pool
  readonly #replica: pg.Pool
  readonly #limits: string

  constructor(options: DatabaseOptions) {
    this.pool = createPool(options.url, options)
    this.#replica = options.replicaUrl ? createPool(options.replicaUrl, options) : this.pool
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
    return this.#transaction(this.pool, workspaceScope(workspace_id), work)
  }

  /**
   * Like inWorkspace, for statements that look up many rows by their keys, planned by index alone: on tables that have
   * just been filled, statistics speak of empty ones, and whole tables would be read. Statements here have no names, so
   * each is planned for its own parameters; plan_cache_mode is left alone, as it would plan every foreign key's check
   * anew (50 µs each).
   */
  async inWorkspaceByKeys<T>(workspace_id: string, work: (trx: Trx) => Promise<T>): Promise<T> {
    return this.#transaction(this.pool, `${workspaceScope(workspace_id)}; ${BY_KEYS}`, work)
  }

  /**
   * Runs one statement in a transaction of its own in one workspace. All of it goes out in one round trip, so the
   * transaction is over as fast as PostgreSQL can work. Returns its rows.
   */
  async runInWorkspace<T>(workspace_id: string, statement: RawBuilder<T>): Promise<T[]> {
    const { sql, parameters } = compile(statement)
    return this.#retrying(this.pool, async client => {
      const begun = client.query(`begin; ${workspaceScope(workspace_id)}; ${this.#limits}`)
      const done = client.query(sql, asParameters(parameters))
      // Behind a statement that failed it rolls back.
      const committed = client.query('commit')
      const [first] = (await Promise.allSettled([done, begun, committed])).filter(end => end.status === 'rejected')
      if (first) throw first.reason
      return (await done).rows as T[]
    })
  }

  /** Like inWorkspace, for reports that may be a little behind: uses the replica where there is one. */
  async readInWorkspace<T>(workspace_id: string, work: (trx: Trx) => Promise<T>): Promise<T> {
    return this.#transaction(this.#replica, `${workspaceScope(workspace_id)}; set local transaction read only`, work)
  }

  /** Like inWorkspace, for reading alone: every statement sees the same moment, whatever is written meanwhile. */
  async inSnapshot<T>(workspace_id: string, work: (trx: Trx) => Promise<T>): Promise<T> {
    const oneMoment = 'set transaction isolation level repeatable read, read only'
    return this.#transaction(this.pool, `${oneMoment}; ${workspaceScope(workspace_id)}`, work)
  }

  /** Looks for due work across workspaces. What it finds is then worked on with inWorkspace. */
  async asSystem<T>(work: (trx: SystemTrx) => Promise<T>): Promise<T> {
    return this.#transaction(this.pool, 'set local role parley_system; set local transaction read only', work)
  }

  /** Calls the functions that keep tables in shape: the system may call them and write nothing by itself. */
  async maintain<T>(work: (trx: SystemTrx) => Promise<T>): Promise<T> {
    return this.#transaction(this.pool, 'set local role parley_system', work)
  }

  async close(): Promise<void> {
    const pools = this.#replica === this.pool ? [this.pool] : [this.pool, this.#replica]
    // A connection that breaks at this very moment may never say that it has ended.
    const timeout = new AbortController()
    const late = delay(CLOSE_MS, undefined, { signal: timeout.signal }).catch(() => {})
    await Promise.race([Promise.all(pools.map(pool => pool.end())), late])
    timeout.abort()
  }

  async #transaction<T>(pool: pg.Pool, setScope: string, work: (trx: Kysely<DB>) => Promise<T>): Promise<T> {
    return this.#retrying(pool, client => this.#attempt(client, setScope, work))
  }

  async #retrying<T>(pool: pg.Pool, transaction: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const client = await pool.connect()
      try {
        return await transaction(client)
      } catch (error) {
        if (attempt >= MAX_TRIES || !RETRYABLE.has(sqlState(error) ?? '')) throw error
      } finally {
        client.release()
      }
    }
  }

  async #attempt<T>(client: pg.PoolClient, setScope: string, work: (trx: Kysely<DB>) => Promise<T>): Promise<T> {
    // Role, workspace and limits go out with `begin`, and the first query right behind them. Were `begin` to fail, that
    // query would run without a role: row-level security then shows it nothing.
    const begun = client.query(`begin; ${setScope}; ${this.#limits}`)
    begun.catch(() => {})
    const { queries, end, firstFailure } = queriesOn(client)
    try {
      const result = await work(queries).finally(end)
      await begun
      await client.query('commit')
      return result
    } catch (error) {
      // On a broken connection this fails as well; the pool then discards it, and Postgres rolls back by itself.
      await client.query('rollback').catch(() => {})
      await begun
      throw sqlState(error) === IN_FAILED_TRANSACTION ? (firstFailure() ?? error) : error
    }
  }
}

/** The five-character SQLSTATE of an error that Postgres raised; undefined for every other error. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

/** What pg and the sockets under it throw when Postgres is away; pg has no codes for its own. */
export function isConnectionLost(error: Error & { code?: string }): boolean {
  if (/^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)$/.test(error.code ?? '')) return true
  return /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/.test(
    error.message,
  )
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
    pipeline: true,
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
