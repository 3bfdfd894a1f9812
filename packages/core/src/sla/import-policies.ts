import { lockCalendarsNamed, lockPoliciesNamed, type PolicyRow, type Trx } from '@parley/db'
import { type Actor, DomainError } from '@parley/domain'
import type { ImportedCalendar } from '../calendars/import-calendars.ts'
import { createPolicy, type PolicyDraft } from './create-policy.ts'
import { type PolicyContent, refuseUnkeepable, savePolicyVersion, saysTheSame } from './save-policy.ts'

/** Counts by the calendar of that name: ids are of one workspace, names may be of all. */
export type NamedPolicy = Omit<PolicyDraft, 'calendar_id'> & { calendar: string }
export type ImportedPolicy = ImportedCalendar

/**
 * Saves policies by their names: new ones, next versions of those that differ, nothing of those that say the same.
 * One that is refused leaves the others be. The names are unlike each other; once more changes nothing.
 */
export async function importPolicies(
  trx: Trx,
  policies: NamedPolicy[],
  dry_run: boolean,
  author: Actor,
  now: Date,
): Promise<ImportedPolicy[]> {
  const calendars = await lockCalendarsNamed(trx, [...new Set(policies.map(({ calendar }) => calendar))])
  const idOf = new Map(calendars.map(({ name, id }) => [name, id]))
  const names = policies.map(({ name }) => name)
  const present = new Map((await lockPoliciesNamed(trx, names)).map(policy => [policy.name, policy]))
  const results: ImportedPolicy[] = []
  for (const { calendar, ...policy } of policies) {
    const before = present.get(policy.name)
    const calendar_id = idOf.get(calendar)
    if (calendar_id) results.push(await importOne(trx, { ...policy, calendar_id }, before, dry_run, author, now))
    else results.push(refused(policy.name, before, `There is no calendar ${calendar}.`))
  }
  return results
}

async function importOne(
  trx: Trx,
  draft: PolicyDraft,
  present: PolicyRow | undefined,
  dry_run: boolean,
  author: Actor,
  now: Date,
): Promise<ImportedPolicy> {
  const { name } = draft
  // One that says nothing of it goes on counting since it did.
  const { enforce_from = present?.enforce_from ?? now, top_level_reply_answers_all = false } = draft
  const content: PolicyContent = { ...draft, enforce_from, top_level_reply_answers_all }
  const kept = { id: present?.id ?? null, version: present?.version ?? null }
  if (present && saysTheSame(present, content)) return { name, result: 'unchanged', ...kept, detail: null }
  const result = present ? 'updated' : 'created'
  try {
    if (dry_run) {
      await refuseUnkeepable(trx, content, now)
      return { name, result, ...kept, detail: null }
    }
    const saved = present
      ? await savePolicyVersion(trx, present, content, author, now)
      : await createPolicy(trx, content, author, now)
    return { name, result, id: saved.id, version: saved.version, detail: null }
  } catch (error) {
    // Refused before anything was written.
    if (!(error instanceof DomainError)) throw error
    return refused(name, present, error.message)
  }
}

const refused = (name: string, present: PolicyRow | undefined, detail: string): ImportedPolicy => ({
  ...{ name, result: 'refused', id: present?.id ?? null, version: present?.version ?? null, detail },
})
