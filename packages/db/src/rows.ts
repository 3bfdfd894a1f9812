import { type Insertable, type RawBuilder, sql } from 'kysely'
import { arrayLiteral } from './array-literal.ts'
import { COLUMN_TYPES } from './column-types.generated.ts'
import type { Trx } from './database.ts'
import type { DB } from './tables.generated.ts'

type Row = Record<string, unknown>

/**
 * A list of rows as a table: `from ${rowsOf('messages', rows)} as r`, typed by the table itself. Every row has the keys
 * of the first. A statement with thousands of parameters costs more to build and parse than to run, and one JSON
 * document costs PostgreSQL 50 µs for a message; an array per column costs a fifth of that, and a column in which all
 * rows agree costs nothing. Not for bytea columns.
 */
export function rowsOf<T extends keyof DB>(table: T, rows: Partial<Insertable<DB[T]>>[]): RawBuilder<DB[T]> {
  const types: Record<string, string> = COLUMN_TYPES[table]
  const arrays: string[] = []
  const constants: RawBuilder<unknown>[] = []
  const values: RawBuilder<unknown>[] = []
  for (const column of Object.keys(rows[0] ?? {})) {
    const type = types[column]!
    const cells = cellsOf(rows, column, type)
    if (!Array.isArray(cells)) {
      constants.push(sql`${cells}::${sql.raw(type)} as ${sql.ref(column)}`)
      continue
    }
    // An array of arrays would be taken apart down to its elements.
    const element = type.endsWith('[]') ? 'text' : type
    arrays.push(column)
    values.push(sql`${cells}::${sql.raw(element)}[]`)
  }
  if (arrays.length === 0) return sql`(select ${sql.join(constants)} from generate_series(1, ${rows.length}::int))`
  const columns = arrays.map(column => {
    const type = types[column]!
    const place = sql`given.${sql.ref(column)}`
    return type.endsWith('[]') ? sql`${place}::${sql.raw(type)} as ${sql.ref(column)}` : place
  })
  return sql`(select ${sql.join([...constants, ...columns])}
    from unnest(${sql.join(values)}) as given (${sql.join(arrays.map(column => sql.ref(column)))}))`
}

/** What stands in a column, as PostgreSQL reads it; one value where all rows agree. */
function cellsOf(rows: Row[], column: string, type: string): (string | null)[] | string | null {
  const first = rows[0]![column]
  const firstText = textOf(first, type)
  if (rows.every(row => row[column] === first)) return firstText
  const cells = rows.map(row => textOf(row[column], type))
  return cells.every(cell => cell === firstText) ? firstText : cells
}

/** A value as PostgreSQL reads it; null stays null. */
function textOf(value: unknown, type: string): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' && !type.startsWith('json')) return value
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value) && type.endsWith('[]')) return arrayLiteral(value)
  return typeof value === 'object' || typeof value === 'string' ? JSON.stringify(value) : String(value)
}

/*
 * Updates of many rows find each by its key in a `lateral (select ctid … for update)`, look-ups in a `lateral (… limit
 * 1)`: the only order in which that can be planned is row by row along the index of that key. Left to itself, on a
 * table without statistics, the planner takes the table for empty and reads all of it, or all of the workspace along
 * another index.
 */

/** Inserts all rows in one statement. Every row has the same keys; columns it leaves out take their defaults. */
export async function insertRows<T extends keyof DB>(trx: Trx, table: T, rows: Insertable<DB[T]>[]): Promise<void> {
  const first = rows[0]
  if (!first) return
  const columns = sql.join(Object.keys(first).map(column => sql.ref(column)))
  // The workspace is asked for once and not for each row.
  await sql`insert into ${sql.table(table)} (workspace_id, ${columns})
    select (select current_workspace()), ${columns} from ${rowsOf(table, rows)} as rows`.execute(trx)
}
