import type pg from 'pg'

/** An INSERT whose values are text already: nothing is left to be written out once the clock runs. */
export type Statement = { text: string; values: (string | null)[] }

/** The type of each column, by "table.column". */
export type ColumnTypes = Map<string, string>

export async function readColumnTypes(client: pg.Client): Promise<ColumnTypes> {
  const { rows } = await client.query<{ name: string; type: string }>(
    `select attrelid::regclass || '.' || attname as name, format_type(atttypid, null) as type
     from pg_attribute join pg_class on pg_class.oid = attrelid
     where relnamespace = 'public'::regnamespace and attnum > 0 and not attisdropped`,
  )
  return new Map(rows.map(({ name, type }) => [name, type]))
}

/** All rows in one statement: a column in which they agree as one value, each of the others as one array. */
export function insertOf(table: string, rows: Record<string, unknown>[], types: ColumnTypes): Statement {
  const values: (string | null)[] = []
  const agreed: string[] = []
  const constants: string[] = []
  const columns: string[] = []
  const arrays: string[] = []
  for (const column of Object.keys(rows[0]!)) {
    const type = types.get(`${table}.${column}`)!
    const cells = rows.map(row => textOf(row[column]))
    if (cells.every(cell => cell === cells[0])) {
      values.push(cells[0]!)
      agreed.push(column)
      constants.push(`$${values.length}::${type}`)
    } else {
      values.push(arrayOf(cells))
      columns.push(column)
      arrays.push(`$${values.length}::${type}[]`)
    }
  }
  // Their ids differ, unless there is but one row.
  const from = arrays.length > 0 ? ` from unnest(${arrays.join(', ')}) as given (${columns.join(', ')})` : ''
  const into = [...agreed, ...columns].join(', ')
  return { text: `insert into ${table} (${into}) select ${[...constants, ...columns].join(', ')}${from}`, values }
}

/** A value as PostgreSQL reads it; null stays null. The only lists among them are empty. */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return '{}'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function arrayOf(cells: (string | null)[]): string {
  return `{${cells.map(cell => (cell === null ? 'null' : `"${cell.replace(/["\\]/g, '\\$&')}"`)).join(',')}}`
}
