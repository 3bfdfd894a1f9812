import {
  type CalendarRow,
  findCalendar,
  findPolicy,
  insertCalendar,
  insertPolicy,
  newId,
  type PolicyRow,
  type Trx,
} from '@parley/db'
import { type Calendar, CalendarError, compileCalendar, DomainError, dueAt } from '@parley/domain'

/**
 * Saves business hours as version 1 of a new calendar.
 * @throws DomainError `validation_failed` for hours that cannot be: never open, an unknown time zone
 */
export async function createCalendar(
  trx: Trx,
  calendar: { name: string; definition: Calendar },
  now: Date,
): Promise<CalendarRow> {
  refuseImpossible(() => compileCalendar(calendar.definition))
  const id = newId(now)
  const definition = JSON.stringify(calendar.definition)
  await insertCalendar(
    trx,
    { id, name: calendar.name, version: 1, created_at: now },
    { calendar_id: id, version: 1, definition, created_at: now },
  )
  return (await findCalendar(trx, id))!
}

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

function refuseImpossible(check: () => unknown): void {
  try {
    check()
  } catch (error) {
    if (error instanceof CalendarError) throw new DomainError('validation_failed', error.message)
    throw error
  }
}
