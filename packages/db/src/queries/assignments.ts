import type { Insertable, Selectable } from 'kysely'
import type { Trx } from '../database.ts'
import { insertRows } from '../rows.ts'
import type { Assignments } from '../tables.generated.ts'

export type Assignment = Selectable<Assignments>

export async function insertAssignment(trx: Trx, row: Insertable<Assignments>): Promise<void> {
  await trx.insertInto('assignments').values(row).execute()
}

export async function insertAssignments(trx: Trx, rows: Insertable<Assignments>[]): Promise<void> {
  await insertRows(trx, 'assignments', rows)
}
