import { stringify } from 'csv-stringify/sync'

type Table = { rows: Record<string, unknown>[]; names: Record<string, string> }

/**
 * The rows of a report, with what their ids are called. People name channels and tags, and give reasons: what a
 * spreadsheet would take for a formula begins with an apostrophe.
 * @param columns of a row, in their order
 */
export function reportCsv({ rows, names }: Table, columns: string[]): string {
  const isGroup = (column: string) => column.endsWith('_id')
  const headers = columns.flatMap(column => (isGroup(column) ? [column, column.replace(/_id$/, '')] : [column]))
  const records = rows.map(row =>
    columns.flatMap(column => {
      const value = row[column]
      if (isGroup(column)) return [value ?? '', names[String(value)] ?? '']
      return [value instanceof Date ? value.toISOString() : Array.isArray(value) ? reasonsOf(value) : (value ?? '')]
    }),
  )
  return stringify([headers, ...records], { escape_formulas: true, record_delimiter: 'windows' })
}

const reasonsOf = (reasons: { reason: string; count: number }[]) =>
  reasons.map(({ reason, count }) => `${reason}: ${count}`).join('; ')
