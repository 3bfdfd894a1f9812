import { appendEvents, findPolicy, insertPolicy, newId, type PolicyRow, type Trx } from '@parley/db'
import type { Actor } from '@parley/domain'
import { asStored, type PolicyContent, refuseUnkeepable } from './save-policy.ts'

/** `enforce_from` absent: now. */
export type PolicyDraft = Omit<PolicyContent, 'enforce_from' | 'top_level_reply_answers_all'> & {
  enforce_from?: Date | undefined
  top_level_reply_answers_all?: boolean | undefined
}

/**
 * Saves targets as version 1 of a new policy.
 * @throws DomainError `validation_failed` for an unknown calendar, or a target that would take it over ten years
 */
export async function createPolicy(trx: Trx, draft: PolicyDraft, author: Actor, now: Date): Promise<PolicyRow> {
  const { enforce_from = now, top_level_reply_answers_all = false } = draft
  const content = { ...draft, enforce_from, top_level_reply_answers_all }
  await refuseUnkeepable(trx, content, now)
  const [id, { name, position, enabled }] = [newId(now), content]
  await insertPolicy(
    trx,
    { id, name, position, enabled, version: 1, created_at: now },
    {
      ...asStored(content),
      policy_id: id,
      version: 1,
      created_at: now,
      created_by_type: author.type,
      created_by_id: author.id,
    },
  )
  const data = { policy_id: id, name, version: 1 }
  await appendEvents(trx, [{ type: 'sla_policy.created', at: now, actor: author, data }])
  return (await findPolicy(trx, id))!
}
