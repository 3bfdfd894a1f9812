import type { AttributeSubject, AttributeType } from '@parley/domain'
import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import type { Trx } from '../database.ts'
import { type IdPage, startOf } from '../id-page.ts'
import type { Attributes } from '../tables.generated.ts'

export type Attribute = Omit<Selectable<Attributes>, 'type' | 'applies_to'> & {
  type: AttributeType
  applies_to: AttributeSubject
}

export async function listAttributes(trx: Trx, page: IdPage): Promise<Attribute[]> {
  const rows = trx.selectFrom('attributes').selectAll().where('id', '>', startOf(page)).orderBy('id').limit(page.limit)
  return (await rows.execute()) as Attribute[]
}

export async function findAttribute(trx: Trx, id: string): Promise<Attribute | undefined> {
  return (await trx.selectFrom('attributes').selectAll().where('id', '=', id).executeTakeFirst()) as
    | Attribute
    | undefined
}

export async function lockAttribute(trx: Trx, id: string): Promise<Attribute | undefined> {
  return (await trx.selectFrom('attributes').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()) as
    | Attribute
    | undefined
}

/** Those of these keys that there are, in the archive or not. */
export async function listAttributesByKey(
  trx: Trx,
  applies_to: AttributeSubject,
  keys: string[],
): Promise<Map<string, Attribute>> {
  if (keys.length === 0) return new Map()
  const rows = await trx
    .selectFrom('attributes')
    .selectAll()
    .where('applies_to', '=', applies_to)
    .where('key', 'in', keys)
    .execute()
  return new Map(rows.map(row => [row.key, row as Attribute]))
}

/** The keys of those that hold free text. */
export async function listTextAttributes(trx: Trx, applies_to: AttributeSubject): Promise<Set<string>> {
  const rows = await trx
    .selectFrom('attributes')
    .select('key')
    .where('applies_to', '=', applies_to)
    .where('type', '=', 'text')
    .execute()
  return new Set(rows.map(({ key }) => key))
}

/** How many of a kind are in use. Until the transaction ends nobody else counts them, so that two do not pass a limit. */
export async function countAttributes(trx: Trx, applies_to: AttributeSubject): Promise<number> {
  await sql`select pg_advisory_xact_lock(hashtextextended('attributes ' || current_workspace(), 0))`.execute(trx)
  const { count } = await trx
    .selectFrom('attributes')
    .select(eb => eb.fn.countAll<string>().as('count'))
    .where('applies_to', '=', applies_to)
    .where('archived_at', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Undefined where there is one of that key already. */
export async function insertAttribute(trx: Trx, row: Insertable<Attributes>): Promise<Attribute | undefined> {
  const inserted = await trx
    .insertInto('attributes')
    .values(row)
    .onConflict(conflict => conflict.columns(['workspace_id', 'applies_to', 'key']).doNothing())
    .returningAll()
    .executeTakeFirst()
  return inserted as Attribute | undefined
}

/** Writes a change and raises the version; the caller holds the row's lock. */
export async function updateAttribute(trx: Trx, id: string, change: Updateable<Attributes>): Promise<Attribute> {
  const updated = await trx
    .updateTable('attributes')
    .set(eb => ({ ...change, version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
  return updated as Attribute
}

/** By what a conversation is found from now on; null: by that key no more. The caller holds its lock. */
export async function indexAttributes(
  trx: Trx,
  conversation_id: string,
  value_keys: Record<string, string | null>,
): Promise<void> {
  const keys = Object.keys(value_keys)
  if (keys.length === 0) return
  await trx
    .deleteFrom('conversation_attributes')
    .where('conversation_id', '=', conversation_id)
    .where('key', 'in', keys)
    .execute()
  const rows = Object.entries(value_keys).flatMap(([key, value_key]) =>
    value_key === null ? [] : [{ conversation_id, key, value_key }],
  )
  if (rows.length > 0) await trx.insertInto('conversation_attributes').values(rows).execute()
}
