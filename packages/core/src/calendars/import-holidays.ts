import { MAX_HOLIDAYS } from '@parley/contracts'
import { type CalendarRow, lockCalendar, type Trx } from '@parley/db'
import { type Actor, type Calendar, DomainError, type Holiday, NotFound } from '@parley/domain'
import type { HolidaySource } from './holiday-sources.ts'
import type { SkippedHoliday } from './ical/read-ical.ts'
import { mergeHolidays } from './merge-holidays.ts'
import { refuseUnkeepable, saveVersion } from './save-version.ts'

export type HolidayImport = {
  dry_run: boolean
  /** As it is now: with what was added, unless nothing was or this was a trial. */
  calendar: CalendarRow
  added: Holiday[]
  present: Holiday[]
  skipped: SkippedHoliday[]
}

/**
 * Puts holidays into a calendar as its next version; none that is there goes. Once more adds nothing.
 * @throws NotFound, or DomainError `validation_failed` for too many of them, or as refuseUnkeepable
 */
export async function importHolidays(
  trx: Trx,
  id: string,
  { holidaysIn, skipped }: HolidaySource,
  dry_run: boolean,
  author: Actor,
  now: Date,
): Promise<HolidayImport> {
  const present = await lockCalendar(trx, id)
  if (!present) throw new NotFound('calendar')
  const before = present.definition as Calendar
  const merged = mergeHolidays(before.holidays, holidaysIn(before.time_zone))
  if (merged.holidays.length > MAX_HOLIDAYS)
    throw new DomainError(
      'validation_failed',
      `The calendar would have ${merged.holidays.length} holidays; at most ${MAX_HOLIDAYS} are kept.`,
    )
  const definition = { ...before, holidays: merged.holidays }
  const result = { dry_run, added: merged.added, present: merged.present, skipped }
  if (dry_run) {
    await refuseUnkeepable(trx, id, definition, now)
    return { ...result, calendar: present }
  }
  return { ...result, calendar: await saveVersion(trx, present, { name: present.name, definition }, author, now) }
}
