import { appendEvents, type CalendarRow, findCalendar, insertCalendar, newId, type Trx } from '@parley/db'
import type { Actor } from '@parley/domain'
import { type CalendarContent, refuseUnkeepable } from './save-version.ts'

/**
 * Saves business hours as version 1 of a new calendar.
 * @throws DomainError `validation_failed` for hours that cannot be: never open, an unknown time zone
 */
export async function createCalendar(
  trx: Trx,
  calendar: CalendarContent,
  author: Actor,
  now: Date,
): Promise<CalendarRow> {
  await refuseUnkeepable(trx, undefined, calendar.definition, now)
  const [id, name] = [newId(now), calendar.name]
  await insertCalendar(
    trx,
    { id, name, version: 1, created_at: now },
    {
      calendar_id: id,
      version: 1,
      name,
      definition: JSON.stringify(calendar.definition),
      created_at: now,
      created_by_type: author.type,
      created_by_id: author.id,
    },
  )
  const data = { calendar_id: id, name, version: 1 }
  await appendEvents(trx, [{ type: 'calendar.created', at: now, actor: author, data }])
  return (await findCalendar(trx, id))!
}
