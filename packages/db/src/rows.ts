import { type Insertable, type RawBuilder, sql } from 'kysely'
import type { Trx } from './database.ts'
import type { DB } from './tables.generated.ts'

/**
 * A list of rows as one parameter, typed by the table itself: `from ${rowsOf('messages', rows)} as r`.
 * A statement with thousands of parameters costs more to build and parse than to run. Columns that a row leaves out
 * are null, so column defaults do not apply unless the statement leaves the column out too.
 * Not for bytea columns, nor for json columns that may hold NUL escapes.
 */
export function rowsOf<T extends keyof DB>(table: T, rows: Partial<Insertable<DB[T]>>[]): RawBuilder<DB[T]> {
  return sql`json_populate_recordset(null::${sql.table(table)}, ${JSON.stringify(rows)}::json)`
}

/** Inserts all rows in one statement. Every row has the same keys; columns it leaves out take their defaults. */
export async function insertRows<T extends keyof DB>(trx: Trx, table: T, rows: Insertable<DB[T]>[]): Promise<void> {
  const first = rows[0]
  if (!first) return
  const columns = sql.join(Object.keys(first).map(column => sql.ref(column)))
  await sql`insert into ${sql.table(table)} (${columns}) select ${columns} from ${rowsOf(table, rows)}`.execute(trx)
}
