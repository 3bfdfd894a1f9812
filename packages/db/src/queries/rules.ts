import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { Rules } from '../tables.generated.ts'
import type { Reach } from './visibility.ts'

export type Rule = Selectable<Rules>

/** Rules of every inbox, and those of inboxes that the reader sees, all of them. */
const visible = (trx: Trx, { inbox_ids }: Reach) => {
  const all = trx.selectFrom('rules').selectAll()
  if (inbox_ids === null) return all
  return all.where(sql<boolean>`(inbox_ids is null or inbox_ids <@ ${inbox_ids}::uuid[])`)
}

export async function listRules(trx: Trx, reader: Reach, page: IdPage): Promise<Rule[]> {
  return visible(trx, reader).where('id', '>', startOf(page)).orderBy('id').limit(page.limit).execute()
}

export async function findRule(trx: Trx, reader: Reach, id: string): Promise<Rule | undefined> {
  return visible(trx, reader).where('id', '=', id).executeTakeFirst()
}

export async function lockRule(trx: Trx, reader: Reach, id: string): Promise<Rule | undefined> {
  return visible(trx, reader).where('id', '=', id).forUpdate().executeTakeFirst()
}

/** Those that wait for any of these events, in the order in which they are tried. */
export async function listRulesFor(trx: Trx, event_types: string[]): Promise<Rule[]> {
  return trx
    .selectFrom('rules')
    .selectAll()
    .where('enabled', '=', true)
    .where(sql<boolean>`triggers && ${event_types}::text[]`)
    .orderBy('position')
    .orderBy('id')
    .execute()
}

export async function insertRule(trx: Trx, row: Insertable<Rules>): Promise<Rule> {
  return trx.insertInto('rules').values(row).returningAll().executeTakeFirstOrThrow()
}

/** Writes a change and raises the version; the caller holds the row's lock. */
export async function updateRule(trx: Trx, id: string, change: Updateable<Rules>): Promise<Rule> {
  return trx
    .updateTable('rules')
    .set(eb => ({ ...change, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
}

/** Whether its actions were refused the last time: `error` is what was said. Not a change of the rule itself. */
export async function recordRuleHealth(trx: Trx, id: string, error: string | null, now: Date): Promise<void> {
  await trx
    .updateTable('rules')
    .set({ last_error: error, failing_since: error === null ? null : sql`coalesce(failing_since, ${now})` })
    .where('id', '=', id)
    .execute()
}

export async function deleteRule(trx: Trx, id: string): Promise<void> {
  await trx.deleteFrom('rules').where('id', '=', id).execute()
}
