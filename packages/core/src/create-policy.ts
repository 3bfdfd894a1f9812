import { findCalendar, findPolicy, insertPolicy, newId, type PolicyRow, type Trx } from '@parley/db'
import { type Calendar, DomainError, dueAt } from '@parley/domain'
import { refuseImpossible } from './calendars/refuse-impossible.ts'

export type PolicyDraft = {
  name: string
  calendar_id: string
  first_response_seconds: number | null
  next_response_seconds: number | null
  enforce_from?: Date | undefined
}

/**
 * Saves targets as version 1 of a new policy.
 * @throws DomainError `validation_failed` for an unknown calendar, or a target that would take it over ten years
 */
export async function createPolicy(trx: Trx, draft: PolicyDraft, now: Date): Promise<PolicyRow> {
  const calendar = await findCalendar(trx, draft.calendar_id)
  if (!calendar) throw new DomainError('validation_failed', 'calendar_id names no calendar of this workspace.')
  const { first_response_seconds, next_response_seconds } = draft
  for (const seconds of [first_response_seconds, next_response_seconds]) {
    if (seconds !== null) refuseImpossible(() => dueAt(calendar.definition as Calendar, now, seconds))
  }
  const id = newId(now)
  await insertPolicy(
    trx,
    { id, name: draft.name, version: 1, created_at: now },
    {
      policy_id: id,
      version: 1,
      calendar_id: calendar.id,
      first_response_seconds,
      next_response_seconds,
      enforce_from: draft.enforce_from ?? now,
      created_at: now,
    },
  )
  return (await findPolicy(trx, id))!
}
