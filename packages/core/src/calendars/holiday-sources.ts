import { setImmediate } from 'node:timers/promises'
import { canonicalTimeZone, type Holiday, localTime } from '@parley/domain'
import { type CountryQuestion, listCountryHolidays } from './country-holidays.ts'
import { holidaysOf, readIcal, type SkippedHoliday } from './ical/read-ical.ts'

/** Holidays to be put into a calendar; which hours they are follows from its zone. */
export type HolidaySource = { holidaysIn: (time_zone: string) => Holiday[]; skipped: SkippedHoliday[] }

/** @throws DomainError `validation_failed` as listCountryHolidays */
export async function holidaysOfCountry(question: CountryQuestion & { years: number[] }): Promise<HolidaySource> {
  const years = [...new Set(question.years)].sort()
  const found = []
  for (const year of years) {
    found.push(...(await listCountryHolidays(question, year)))
    // A year of a lunar calendar takes a quarter of a second: others have their turn between two.
    await setImmediate()
  }
  const holidays = found.map(({ holiday }) => holiday)
  return { holidaysIn: () => holidays, skipped: [] }
}

/** @throws DomainError `validation_failed` as readIcal */
export async function holidaysOfIcal(text: string, now: Date, monotonicMs: () => number): Promise<HolidaySource> {
  const { closures, skipped } = await readIcal(text, now, monotonicMs)
  return {
    holidaysIn(time_zone) {
      const name = canonicalTimeZone(time_zone)
      const zone = { name, ...localTime(name) }
      return closures.flatMap(closure => holidaysOf(closure, zone))
    },
    skipped,
  }
}
