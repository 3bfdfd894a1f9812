import { isDeepStrictEqual } from 'node:util'
import {
  type Attribute,
  appendEvents,
  countAttributes,
  insertAttribute,
  lockAttribute,
  newId,
  type Trx,
  updateAttribute,
} from '@parley/db'
import { type Actor, type AttributeSubject, type AttributeType, DomainError, NotFound } from '@parley/domain'

/** Of each kind, without those in the archive. */
const MAX_DEFINED = 100

export type AttributeDraft = {
  key: string
  label: string
  applies_to: AttributeSubject
  type: AttributeType
  /** Of a select, and only of it. */
  options?: string[] | undefined
}

/** @throws DomainError `conflict` where there is one of that key, in the archive too; `validation_failed` for too many */
export async function createAttribute(trx: Trx, draft: AttributeDraft, actor: Actor, now: Date): Promise<Attribute> {
  await refuseTooMany(trx, draft.applies_to)
  const row = { id: newId(now), ...draft, options: draft.options ?? null, created_at: now, updated_at: now }
  const attribute = await insertAttribute(trx, row)
  if (!attribute) throw new DomainError('conflict', 'There is an attribute of that key already.')
  await log(trx, 'attribute.created', attribute, actor, now)
  return attribute
}

/**
 * Changes what an attribute is called, what a select may be set to, or whether it is in use. Values that there are stay. A
 * change to what it is already changes nothing.
 * @throws NotFound, or DomainError `version_mismatch`, `validation_failed` for options of what is no select, and for too many
 */
export async function changeAttribute(
  trx: Trx,
  id: string,
  change: { label?: string | undefined; options?: string[] | undefined; archived?: boolean | undefined },
  expected_version: number,
  actor: Actor,
  now: Date,
): Promise<Attribute> {
  const attribute = await lockAttribute(trx, id)
  if (!attribute) throw new NotFound('attribute')
  if (attribute.version !== expected_version)
    throw new DomainError('version_mismatch', 'The attribute has changed since you read it.')
  const was_archived = attribute.archived_at !== null
  const { label = attribute.label, options = attribute.options, archived = was_archived } = change
  if (change.options && attribute.type !== 'select')
    throw new DomainError('validation_failed', 'Only a select has options.')
  if (was_archived && !archived) await refuseTooMany(trx, attribute.applies_to)
  const same = label === attribute.label && isDeepStrictEqual(options, attribute.options) && archived === was_archived
  if (same) return attribute
  const archived_at = archived ? (attribute.archived_at ?? now) : null
  const changed = await updateAttribute(trx, id, { label, options, archived_at, updated_at: now })
  await log(trx, archived && !was_archived ? 'attribute.archived' : 'attribute.updated', changed, actor, now)
  return changed
}

async function refuseTooMany(trx: Trx, applies_to: AttributeSubject): Promise<void> {
  if ((await countAttributes(trx, applies_to)) < MAX_DEFINED) return
  throw new DomainError('validation_failed', `There are at most ${MAX_DEFINED} attributes of a ${applies_to}.`)
}

async function log(
  trx: Trx,
  type: 'attribute.created' | 'attribute.updated' | 'attribute.archived',
  { id, key, label, applies_to, type: of, options, archived_at }: Attribute,
  actor: Actor,
  now: Date,
): Promise<void> {
  const data = { attribute_id: id, key, label, applies_to, type: of, options, archived: archived_at !== null }
  await appendEvents(trx, [{ type, at: now, actor, data }])
}
