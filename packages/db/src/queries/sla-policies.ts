import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { FIRST_PAGE, type IdPage, startOf } from '../id-page.ts'
import type { SlaPolicies, SlaPolicyVersions } from '../tables.generated.ts'

export type PolicyRow = Selectable<SlaPolicies> & Omit<Selectable<SlaPolicyVersions>, 'policy_id' | 'created_at'>

export async function insertPolicy(
  trx: Trx,
  policy: Insertable<SlaPolicies>,
  version: Insertable<SlaPolicyVersions>,
): Promise<void> {
  await trx.insertInto('sla_policies').values(policy).execute()
  await trx.insertInto('sla_policy_versions').values(version).execute()
}

const currentPolicies = (trx: Trx) =>
  trx
    .selectFrom('sla_policies as p')
    .innerJoin('sla_policy_versions as v', join =>
      join
        .onRef('v.workspace_id', '=', 'p.workspace_id')
        .onRef('v.policy_id', '=', 'p.id')
        .onRef('v.version', '=', 'p.version'),
    )
    .selectAll('p')
    .select(['v.calendar_id', 'v.first_response_seconds', 'v.next_response_seconds', 'v.enforce_from'])

export async function findPolicy(trx: Trx, id: string): Promise<PolicyRow | undefined> {
  return currentPolicies(trx).where('p.id', '=', id).executeTakeFirst()
}

export async function listPolicies(trx: Trx, page: IdPage = FIRST_PAGE): Promise<PolicyRow[]> {
  return currentPolicies(trx).where('p.id', '>', startOf(page)).orderBy('p.id').limit(page.limit).execute()
}

/** What an inbox promises today: its policy's current version with the calendar's current version. */
export type SlaPromise = {
  policy_id: string
  policy_version: number
  calendar_id: string
  calendar_version: number
  calendar: unknown
  first_response_seconds: number | null
  next_response_seconds: number | null
  enforce_from: Date
}

/** Undefined where the inbox has no policy. */
export async function findInboxPromise(trx: Trx, inbox_id: string): Promise<SlaPromise | undefined> {
  const { rows } = await sql<SlaPromise>`
    select p.id as policy_id, p.version as policy_version, c.id as calendar_id, c.version as calendar_version,
      cv.definition as calendar, v.first_response_seconds, v.next_response_seconds, v.enforce_from
    from inboxes i
    join sla_policies p on p.workspace_id = i.workspace_id and p.id = i.sla_policy_id
    join sla_policy_versions v on v.workspace_id = p.workspace_id and v.policy_id = p.id and v.version = p.version
    join calendars c on c.workspace_id = v.workspace_id and c.id = v.calendar_id
    join calendar_versions cv on cv.workspace_id = c.workspace_id and cv.calendar_id = c.id and cv.version = c.version
    where i.id = ${inbox_id}`.execute(trx)
  return rows[0]
}
