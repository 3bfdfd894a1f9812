import type { PolicyCondition, SlaTargets } from '@parley/domain'
import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { FIRST_PAGE, type IdPage, startOf } from '../id-page.ts'
import type { SlaPolicies, SlaPolicyVersions } from '../tables.generated.ts'

export type PolicyVersionRow = Omit<
  Selectable<SlaPolicyVersions>,
  'workspace_id' | 'policy_id' | 'conditions' | 'targets'
> & { conditions: PolicyCondition | null; targets: SlaTargets }
/** A policy in its current version, which was made at `updated_at`. */
export type PolicyRow = Selectable<SlaPolicies> &
  Pick<PolicyVersionRow, 'calendar_id' | 'conditions' | 'targets' | 'top_level_reply_answers_all' | 'enforce_from'> & {
    updated_at: Date
  }

export async function insertPolicy(
  trx: Trx,
  policy: Insertable<SlaPolicies>,
  version: Insertable<SlaPolicyVersions>,
): Promise<void> {
  await trx.insertInto('sla_policies').values(policy).execute()
  await trx.insertInto('sla_policy_versions').values(version).execute()
}

/** Makes a version the current one; the caller holds the policy's lock. */
export async function insertPolicyVersion(trx: Trx, version: Insertable<SlaPolicyVersions>): Promise<void> {
  const { policy_id, name, position, enabled } = version
  await trx.insertInto('sla_policy_versions').values(version).execute()
  await trx
    .updateTable('sla_policies')
    .set({ name, position, enabled, version: version.version })
    .where('id', '=', policy_id)
    .execute()
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
    .select(['v.calendar_id', 'v.conditions', 'v.targets', 'v.top_level_reply_answers_all', 'v.enforce_from'])
    .select('v.created_at as updated_at')
    .$castTo<PolicyRow>()

export async function findPolicy(trx: Trx, id: string): Promise<PolicyRow | undefined> {
  return currentPolicies(trx).where('p.id', '=', id).executeTakeFirst()
}

export async function listPolicies(trx: Trx, page: IdPage = FIRST_PAGE): Promise<PolicyRow[]> {
  return currentPolicies(trx).where('p.id', '>', startOf(page)).orderBy('p.id').limit(page.limit).execute()
}

/** Locks a policy until the transaction ends; clocks that name it are written meanwhile. */
export async function lockPolicy(trx: Trx, id: string): Promise<PolicyRow | undefined> {
  await trx.selectFrom('sla_policies').select('id').where('id', '=', id).forNoKeyUpdate().execute()
  // Read after the lock is had: another version may have been made while it was waited for.
  return findPolicy(trx, id)
}

/** Locks those of these names that there are, in the order of their ids. */
export async function lockPoliciesNamed(trx: Trx, names: string[]): Promise<PolicyRow[]> {
  const named = sql<boolean>`name = any(${names}::text[])`
  await trx.selectFrom('sla_policies').select('id').where(named).orderBy('id').forNoKeyUpdate().execute()
  return currentPolicies(trx).where(sql<boolean>`p.name = any(${names}::text[])`).execute()
}

/** The versions of a policy, newest first. */
export async function listPolicyVersions(
  trx: Trx,
  policy_id: string,
  page: { limit: number; after?: number | undefined },
): Promise<PolicyVersionRow[]> {
  let query = trx.selectFrom('sla_policy_versions').selectAll().where('policy_id', '=', policy_id)
  if (page.after !== undefined) query = query.where('version', '<', page.after)
  return query.orderBy('version', 'desc').limit(page.limit).$castTo<PolicyVersionRow>().execute()
}

/** One version of a policy with one version of a calendar: what a clock is started with. */
export type SlaPromise = {
  policy_id: string
  policy_version: number
  calendar_id: string
  calendar_version: number
  calendar: unknown
  conditions: PolicyCondition | null
  targets: SlaTargets
  top_level_reply_answers_all: boolean
  enforce_from: Date
}

const PROMISE = sql`p.id as policy_id, v.version as policy_version, c.id as calendar_id, cv.version as calendar_version,
  cv.definition as calendar, v.conditions, v.targets,
  v.top_level_reply_answers_all, v.enforce_from`

/** The current promises that may be to a conversation of this inbox, in the order in which they are tried. */
export async function listPromises(trx: Trx, inbox_id: string): Promise<(SlaPromise & { named: boolean })[]> {
  const { rows } = await sql<SlaPromise & { named: boolean }>`
    select ${PROMISE}, p.id = i.sla_policy_id is true as named
    from inboxes i
    join sla_policies p on p.workspace_id = i.workspace_id
    join sla_policy_versions v on v.workspace_id = p.workspace_id and v.policy_id = p.id and v.version = p.version
    join calendars c on c.workspace_id = v.workspace_id and c.id = v.calendar_id
    join calendar_versions cv on cv.workspace_id = c.workspace_id and cv.calendar_id = c.id and cv.version = c.version
    where i.id = ${inbox_id} and p.enabled and (v.conditions is not null or p.id = i.sla_policy_id)
    order by p.position, p.id`.execute(trx)
  return rows
}

/** The promise that a clock was started with; undefined for one that there is not. */
export async function findPromise(
  trx: Trx,
  of: Pick<SlaPromise, 'policy_id' | 'policy_version' | 'calendar_id' | 'calendar_version'>,
): Promise<SlaPromise | undefined> {
  const { rows } = await sql<SlaPromise>`
    select ${PROMISE}
    from sla_policies p
    join sla_policy_versions v on v.workspace_id = p.workspace_id and v.policy_id = p.id
    join calendars c on c.workspace_id = p.workspace_id
    join calendar_versions cv on cv.workspace_id = c.workspace_id and cv.calendar_id = c.id
    where p.id = ${of.policy_id} and v.version = ${of.policy_version}
      and c.id = ${of.calendar_id} and cv.version = ${of.calendar_version}`.execute(trx)
  return rows[0]
}

/** What policies that count by this calendar promise today. */
export async function listPoliciesBy(trx: Trx, calendar_id: string): Promise<Pick<PolicyRow, 'name' | 'targets'>[]> {
  return currentPolicies(trx).where('v.calendar_id', '=', calendar_id).execute()
}
