import { type Attribute, indexAttributes, listAttributesByKey, type Trx } from '@parley/db'
import {
  type AttributeChanges,
  type AttributeSubject,
  type AttributeValue,
  attributeProblem,
  attributeValueOf,
  DomainError,
} from '@parley/domain'
import { boundedKey } from './bounded-key.ts'

/**
 * Of the changes that are asked for, those that change something: what is so already is not looked at, so that whoever
 * sends back what they read is not refused for an option that is gone since. A conversation has defined attributes alone;
 * of a contact those that nobody defined are free.
 * @throws DomainError `validation_failed` with a JSON pointer for each that is unknown, put away, or of another type
 */
export async function checkedAttributes(
  trx: Trx,
  applies_to: AttributeSubject,
  present: Record<string, unknown>,
  asked: AttributeChanges,
): Promise<AttributeChanges> {
  const definitions = await listAttributesByKey(trx, applies_to, Object.keys(asked))
  const errors = Object.entries(asked).flatMap(([key, value]) => {
    const detail = problemOf(definitions.get(key), applies_to, valueIn(present, key), value)
    return detail ? [{ pointer: `/attributes/${key}`, detail }] : []
  })
  if (errors.length > 0) {
    const { pointer, detail } = errors[0]!
    throw new DomainError('validation_failed', `${pointer} ${detail}.`, { errors: errors.slice(0, MAX_TOLD) })
  }
  return Object.fromEntries(Object.entries(asked).filter(([key, value]) => valueIn(present, key) !== value))
}

const MAX_TOLD = 20

/** Null where it has none, also by a key such as `constructor`. */
const valueIn = (present: Record<string, unknown>, key: string) => (Object.hasOwn(present, key) ? present[key] : null)

function problemOf(
  definition: Attribute | undefined,
  applies_to: AttributeSubject,
  present: unknown,
  value: AttributeValue | null,
): string | undefined {
  if (!definition) return applies_to === 'conversation' ? 'is no attribute of a conversation' : undefined
  if (value === null || value === present) return undefined
  return definition.archived_at ? 'is in the archive' : attributeProblem(definition, value)
}

/** What there is after a change. */
export function withAttributes(present: Record<string, unknown>, changes: AttributeChanges): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...present, ...changes }).filter(([, value]) => value !== null))
}

/** Keeps by what a conversation is found in step with what it has. The caller holds its lock. */
export async function indexChanges(trx: Trx, conversation_id: string, changes: AttributeChanges): Promise<void> {
  const keyed = Object.entries(changes).map(([key, value]) => [key, value === null ? null : boundedKey(String(value))])
  await indexAttributes(trx, conversation_id, Object.fromEntries(keyed))
}

/**
 * What filters such as `tier:gold` look for.
 * @throws DomainError `validation_failed` for an attribute that there is not, or a value that it cannot have
 */
export async function findAttributeKeys(trx: Trx, written: string[]): Promise<{ key: string; value_key: string }[]> {
  const parts = written.map(text => [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)] as const)
  const definitions = await listAttributesByKey(
    trx,
    'conversation',
    parts.map(([key]) => key),
  )
  return parts.map(([key, text]) => {
    const definition = definitions.get(key)
    if (!definition) throw new DomainError('validation_failed', `There is no attribute "${key}" of a conversation.`)
    const value = attributeValueOf(definition.type, text)
    if (value === undefined) throw new DomainError('validation_failed', `"${key}" is never "${text.slice(0, 100)}".`)
    return { key, value_key: boundedKey(String(value)) }
  })
}
