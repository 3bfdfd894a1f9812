import { isDeepStrictEqual } from 'node:util'
import {
  appendEvents,
  type CalendarRow,
  findCalendar,
  insertCalendarVersion,
  listPoliciesBy,
  type Trx,
} from '@parley/db'
import { type Actor, type Calendar, compileCalendar, DomainError, dueAt, everyTarget } from '@parley/domain'
import { refuseImpossible } from './refuse-impossible.ts'

export type CalendarContent = { name: string; definition: Calendar }

/** Whether two calendars say the same, whatever the order in which they say it. */
export function saysTheSame(calendar: CalendarRow, { name, definition }: CalendarContent): boolean {
  // What is absent is left out, as it is where it is stored.
  const stored = JSON.parse(JSON.stringify(definition))
  return calendar.name === name && isDeepStrictEqual(calendar.definition, stored)
}

/**
 * Refuses hours that cannot be, or in which a policy that counts by them could not be kept.
 * @throws DomainError `validation_failed`, naming the entry or the policy
 */
export async function refuseUnkeepable(
  trx: Trx,
  calendar_id: string | undefined,
  definition: Calendar,
  now: Date,
): Promise<void> {
  const compiled = refuseImpossible(() => compileCalendar(definition))
  for (const { name, targets } of calendar_id ? await listPoliciesBy(trx, calendar_id) : []) {
    try {
      for (const seconds of everyTarget(targets)) refuseImpossible(() => dueAt(compiled, now, seconds))
    } catch (error) {
      if (!(error instanceof DomainError)) throw error
      throw new DomainError(error.code, `The policy '${name}' counts by this calendar: ${error.message}`)
    }
  }
}

/**
 * Makes the next version of a calendar whose lock is held; open clocks keep the one they started with. What says the
 * same makes none.
 * @throws DomainError `validation_failed` as refuseUnkeepable
 */
export async function saveVersion(
  trx: Trx,
  present: CalendarRow,
  { name, definition }: CalendarContent,
  author: Actor,
  now: Date,
): Promise<CalendarRow> {
  if (saysTheSame(present, { name, definition })) return present
  await refuseUnkeepable(trx, present.id, definition, now)
  const version = present.version + 1
  await insertCalendarVersion(trx, {
    calendar_id: present.id,
    version,
    name,
    definition: JSON.stringify(definition),
    created_at: now,
    created_by_type: author.type,
    created_by_id: author.id,
  })
  const previous = { name: present.name, version: present.version }
  const data = { calendar_id: present.id, name, version }
  await appendEvents(trx, [{ type: 'calendar.updated', at: now, actor: author, data, previous }])
  return (await findCalendar(trx, present.id))!
}
