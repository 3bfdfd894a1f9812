import { type CalendarRow, lockCalendarsNamed, type Trx } from '@parley/db'
import { type Actor, DomainError } from '@parley/domain'
import { createCalendar } from './create-calendar.ts'
import { type CalendarContent, refuseUnkeepable, saveVersion, saysTheSame } from './save-version.ts'

/** `id` and `version` as they are afterwards; null where there is none, as of a new one that was only tried. */
export type ImportedCalendar = {
  name: string
  result: 'created' | 'updated' | 'unchanged' | 'refused'
  id: string | null
  version: number | null
  detail: string | null
}

/**
 * Saves calendars by their names: new ones, next versions of those that differ, nothing of those that say the same.
 * One that is refused leaves the others be. The names are unlike each other; once more changes nothing.
 */
export async function importCalendars(
  trx: Trx,
  calendars: CalendarContent[],
  dry_run: boolean,
  author: Actor,
  now: Date,
): Promise<ImportedCalendar[]> {
  const names = calendars.map(({ name }) => name)
  const present = new Map((await lockCalendarsNamed(trx, names)).map(calendar => [calendar.name, calendar]))
  const results: ImportedCalendar[] = []
  for (const calendar of calendars)
    results.push(await importOne(trx, calendar, present.get(calendar.name), dry_run, author, now))
  return results
}

async function importOne(
  trx: Trx,
  calendar: CalendarContent,
  present: CalendarRow | undefined,
  dry_run: boolean,
  author: Actor,
  now: Date,
): Promise<ImportedCalendar> {
  const { name } = calendar
  const kept = { id: present?.id ?? null, version: present?.version ?? null }
  if (present && saysTheSame(present, calendar)) return { name, result: 'unchanged', ...kept, detail: null }
  const result = present ? 'updated' : 'created'
  try {
    if (dry_run) {
      await refuseUnkeepable(trx, present?.id, calendar.definition, now)
      return { name, result, ...kept, detail: null }
    }
    const saved = present
      ? await saveVersion(trx, present, calendar, author, now)
      : await createCalendar(trx, calendar, author, now)
    return { name, result, id: saved.id, version: saved.version, detail: null }
  } catch (error) {
    // Refused before anything was written.
    if (!(error instanceof DomainError)) throw error
    return { name, result: 'refused', ...kept, detail: error.message }
  }
}
