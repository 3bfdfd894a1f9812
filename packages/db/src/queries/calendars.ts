import type { Insertable, Selectable } from 'kysely'
import type { Trx } from '../database.ts'
import { FIRST_PAGE, type IdPage, startOf } from '../id-page.ts'
import type { Calendars, CalendarVersions } from '../tables.generated.ts'

export type CalendarRow = Selectable<Calendars> & { definition: unknown }

export async function insertCalendar(
  trx: Trx,
  calendar: Insertable<Calendars>,
  version: Insertable<CalendarVersions>,
): Promise<void> {
  await trx.insertInto('calendars').values(calendar).execute()
  await trx.insertInto('calendar_versions').values(version).execute()
}

const currentCalendars = (trx: Trx) =>
  trx
    .selectFrom('calendars as c')
    .innerJoin('calendar_versions as v', join =>
      join
        .onRef('v.workspace_id', '=', 'c.workspace_id')
        .onRef('v.calendar_id', '=', 'c.id')
        .onRef('v.version', '=', 'c.version'),
    )
    .selectAll('c')
    .select('v.definition')

export async function findCalendar(trx: Trx, id: string): Promise<CalendarRow | undefined> {
  return currentCalendars(trx).where('c.id', '=', id).executeTakeFirst()
}

export async function listCalendars(trx: Trx, page: IdPage = FIRST_PAGE): Promise<CalendarRow[]> {
  return currentCalendars(trx).where('c.id', '>', startOf(page)).orderBy('c.id').limit(page.limit).execute()
}

/** Business hours as they were in one version. */
export async function getCalendarVersion(trx: Trx, calendar_id: string, version: number): Promise<unknown> {
  const row = await trx
    .selectFrom('calendar_versions')
    .select('definition')
    .where('calendar_id', '=', calendar_id)
    .where('version', '=', version)
    .executeTakeFirstOrThrow()
  return row.definition
}
