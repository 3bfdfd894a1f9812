import { type CalendarRow, findCalendar, insertCalendar, newId, type Trx } from '@parley/db'
import { type Calendar, compileCalendar } from '@parley/domain'
import { refuseImpossible } from './refuse-impossible.ts'

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
