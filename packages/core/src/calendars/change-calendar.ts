import { type CalendarRow, lockCalendar, type Trx } from '@parley/db'
import { type Actor, type Calendar, DomainError, NotFound } from '@parley/domain'
import { saveVersion } from './save-version.ts'

export type CalendarChange = { name?: string | undefined; definition?: Calendar | undefined }

/**
 * Makes the next version of a calendar, if it is still in the one the caller saw. A change to what it is already
 * changes nothing.
 * @throws NotFound, or DomainError `version_mismatch`, or `validation_failed` as refuseUnkeepable
 */
export async function changeCalendar(
  trx: Trx,
  id: string,
  change: CalendarChange,
  expected_version: number,
  author: Actor,
  now: Date,
): Promise<CalendarRow> {
  const present = await lockCalendar(trx, id)
  if (!present) throw new NotFound('calendar')
  if (present.version !== expected_version)
    throw new DomainError('version_mismatch', 'The calendar has changed since you read it.')
  const { name = present.name, definition = present.definition as Calendar } = change
  return saveVersion(trx, present, { name, definition }, author, now)
}
