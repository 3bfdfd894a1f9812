import { type Insertable, type Selectable, sql } from 'kysely'
import type { Trx } from '../database.ts'
import { FIRST_PAGE, type IdPage, startOf } from '../id-page.ts'
import type { Calendars, CalendarVersions } from '../tables.generated.ts'

/** A calendar in its current version, which was made at `updated_at`. */
export type CalendarRow = Selectable<Calendars> & { definition: unknown; updated_at: Date }
export type CalendarVersionRow = Omit<Selectable<CalendarVersions>, 'workspace_id' | 'calendar_id' | 'name'> & {
  name: string
}

export async function insertCalendar(
  trx: Trx,
  calendar: Insertable<Calendars>,
  version: Insertable<CalendarVersions>,
): Promise<void> {
  await trx.insertInto('calendars').values(calendar).execute()
  await trx.insertInto('calendar_versions').values(version).execute()
}

/** Makes a version the current one; the caller holds the calendar's lock. */
export async function insertCalendarVersion(
  trx: Trx,
  version: Insertable<CalendarVersions> & { name: string },
): Promise<void> {
  await trx.insertInto('calendar_versions').values(version).execute()
  await trx
    .updateTable('calendars')
    .set({ name: version.name, version: version.version })
    .where('id', '=', version.calendar_id)
    .execute()
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
    .select(['v.definition', 'v.created_at as updated_at'])

export async function findCalendar(trx: Trx, id: string): Promise<CalendarRow | undefined> {
  return currentCalendars(trx).where('c.id', '=', id).executeTakeFirst()
}

export async function listCalendars(trx: Trx, page: IdPage = FIRST_PAGE): Promise<CalendarRow[]> {
  return currentCalendars(trx).where('c.id', '>', startOf(page)).orderBy('c.id').limit(page.limit).execute()
}

/** Locks a calendar until the transaction ends; clocks that name it are written meanwhile. */
export async function lockCalendar(trx: Trx, id: string): Promise<CalendarRow | undefined> {
  await trx.selectFrom('calendars').select('id').where('id', '=', id).forNoKeyUpdate().execute()
  // Read after the lock is had: another version may have been made while it was waited for.
  return findCalendar(trx, id)
}

/** Locks those of these names that there are, in the order of their ids. */
export async function lockCalendarsNamed(trx: Trx, names: string[]): Promise<CalendarRow[]> {
  await trx
    .selectFrom('calendars')
    .select('id')
    .where(sql<boolean>`name = any(${names}::text[])`)
    .orderBy('id')
    .forNoKeyUpdate()
    .execute()
  return currentCalendars(trx).where(sql<boolean>`c.name = any(${names}::text[])`).execute()
}

/** The versions of a calendar, newest first. */
export async function listCalendarVersions(
  trx: Trx,
  calendar_id: string,
  page: { limit: number; after?: number | undefined },
): Promise<CalendarVersionRow[]> {
  let query = trx
    .selectFrom('calendar_versions as v')
    .innerJoin('calendars as c', join =>
      join.onRef('c.workspace_id', '=', 'v.workspace_id').onRef('c.id', '=', 'v.calendar_id'),
    )
    .select(['v.version', 'v.definition', 'v.created_at', 'v.created_by_type', 'v.created_by_id'])
    .select(sql<string>`coalesce(v.name, c.name)`.as('name'))
    .where('v.calendar_id', '=', calendar_id)
  if (page.after !== undefined) query = query.where('v.version', '<', page.after)
  return query.orderBy('v.version', 'desc').limit(page.limit).execute()
}
