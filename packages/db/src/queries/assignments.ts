import type { AssignmentReason, RoutingDecision } from '@parley/domain'
import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import { insertRows } from '../rows.ts'
import type { Assignments } from '../tables.generated.ts'

export type Assignment = Selectable<Assignments>
export type NewAssignment = Insertable<Assignments> & { reason: AssignmentReason }

export async function insertAssignments(trx: Trx, rows: NewAssignment[]): Promise<void> {
  await insertRows(trx, 'assignments', rows)
}

/** Keeps why an automatic assignment went to whom it went. */
export async function insertDecision(trx: Trx, assignment_id: string, decision: RoutingDecision): Promise<void> {
  const { rule, considered } = decision
  await trx
    .insertInto('assignment_decisions')
    .values({ assignment_id, rule, candidates: JSON.stringify(considered) })
    .execute()
}

/** `rule` and `candidates` are null where a person decided. */
export type DecidedAssignment = Assignment & {
  rule: RoutingDecision['rule'] | null
  candidates: RoutingDecision['considered'] | null
}

/** Who owned a conversation, from the first on. */
export async function listAssignments(trx: Trx, conversation_id: string, page: IdPage): Promise<DecidedAssignment[]> {
  const { rows } = await sql<DecidedAssignment>`
    select a.*, d.rule, d.candidates from assignments a
    left join assignment_decisions d on d.workspace_id = a.workspace_id and d.assignment_id = a.id
    where a.conversation_id = ${conversation_id} and a.id > ${startOf(page)}
    order by a.id limit ${page.limit}`.execute(trx)
  return rows
}
