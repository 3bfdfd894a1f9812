import { listAttributesByKey, type Trx } from '@parley/db'
import {
  type AttributeCondition,
  type AttributeSubject,
  attributeConditionProblem,
  DomainError,
  type RuleCondition,
} from '@parley/domain'

type Asked = { pointer: string; applies_to: AttributeSubject; key: string; wanted: AttributeCondition }

/**
 * Refuses conditions on attributes that nobody defined, and for values that they cannot have. One in the archive is known:
 * what has it keeps it.
 * @param at where the condition stands, as a JSON pointer
 * @throws DomainError `validation_failed` with the place of each
 */
export async function refuseUnknownAttributes(trx: Trx, condition: RuleCondition, at: string): Promise<void> {
  const asked = askedIn(condition, at)
  const keys = (applies_to: AttributeSubject) => asked.flatMap(one => (one.applies_to === applies_to ? one.key : []))
  const known = {
    conversation: await listAttributesByKey(trx, 'conversation', keys('conversation')),
    contact: await listAttributesByKey(trx, 'contact', keys('contact')),
  }
  const errors = asked.flatMap(({ pointer, applies_to, key, wanted }) => {
    const definition = known[applies_to].get(key)
    const detail = definition
      ? attributeConditionProblem(definition, wanted)
      : `is no attribute that is defined for a ${applies_to}`
    return detail ? [{ pointer, detail }] : []
  })
  if (errors.length === 0) return
  const { pointer, detail } = errors[0]!
  throw new DomainError('validation_failed', `${pointer} ${detail}.`, { errors: errors.slice(0, MAX_TOLD) })
}

const MAX_TOLD = 20

function askedIn(condition: RuleCondition, at: string): Asked[] {
  const { all = [], any = [], not, attributes = {}, contact_attributes = {} } = condition
  const asked = (field: string, applies_to: AttributeSubject, wanted: Record<string, AttributeCondition>) =>
    Object.entries(wanted).map(([key, one]) => ({ pointer: `${at}/${field}/${key}`, applies_to, key, wanted: one }))
  return [
    ...asked('attributes', 'conversation', attributes),
    ...asked('contact_attributes', 'contact', contact_attributes),
    ...all.flatMap((inner, place) => askedIn(inner, `${at}/all/${place}`)),
    ...any.flatMap((inner, place) => askedIn(inner, `${at}/any/${place}`)),
    ...(not ? askedIn(not, `${at}/not`) : []),
  ]
}
