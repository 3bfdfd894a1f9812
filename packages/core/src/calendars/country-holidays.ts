import { type HolidayType, name as nameOf } from '@parley/contracts'
import { DomainError, type Holiday, localTime } from '@parley/domain'
import type Holidays from 'date-holidays'
import type { HolidaysTypes } from 'date-holidays'
import { closedHours } from './closed-hours.ts'

/** `region` as the library names it: 'BE', or 'BY-A' for a part of one. */
export type CountryQuestion = {
  country: string
  region?: string | undefined
  types: HolidayType[]
  language?: string | undefined
}
export type CountryHoliday = { holiday: Holiday; type: HolidayType; substitute: boolean; note: string | null }

const DAY_MS = 86_400_000

/**
 * The holidays of a country in a year, by date; days given instead of one that falls on a weekend are among them.
 * One of several days comes once for each. Names are in the language, or in one of the country's own.
 * @throws DomainError `validation_failed` for a country or a region that is not known, with those that are
 */
export async function listCountryHolidays(question: CountryQuestion, year: number): Promise<CountryHoliday[]> {
  const holidays = await calendarOf(question)
  const zone = localTime(holidays.getTimezones()[0]!)
  const language = question.language?.split('-')[0]
  return holidays
    .getHolidays(year, language)
    .filter(({ type }) => question.types.includes(type))
    .flatMap(holiday =>
      datesOf(holiday, zone.wallAt).map(date => ({
        holiday: date,
        type: holiday.type,
        substitute: holiday.substitute ?? false,
        note: (holiday as { note?: string }).note ?? null,
      })),
    )
    .sort((a, b) => (a.holiday.date < b.holiday.date ? -1 : 1))
}

/** A day begins with its date here, also where it does at sunset before it. */
function datesOf({ date, start, end, name }: HolidaysTypes.Holiday, wallAt: (instant: number) => number): Holiday[] {
  const [day, time] = date.split(' ') as [string, string]
  const title = nameOf.safeParse(name).data
  if (time !== '00:00:00') return closedHours(wallAt(start.getTime()), wallAt(end.getTime()), title)
  const midnight = Date.parse(`${day}T00:00:00Z`)
  // A day on which clocks change is an hour shorter or longer.
  const days = Math.max(1, Math.round((end.getTime() - start.getTime()) / DAY_MS))
  return closedHours(midnight, midnight + days * DAY_MS, title)
}

async function calendarOf({ country, region }: CountryQuestion): Promise<Holidays> {
  // Its data is 23 MB of memory and half a second of work, which only those pay who ask.
  const { default: Calendar } = await import('date-holidays')
  const index = new Calendar()
  const known = codeIn(index.getCountries(), country)
  if (!known) throw unknown('country', `There are no holidays of ${country}`, index.getCountries())
  const [state, part, ...rest] = region?.split('-') ?? []
  if (!state) return new Calendar(known)
  const states = index.getStates(known) ?? {}
  const knownState = codeIn(states, state)
  if (!knownState) throw unknown('region', `There are no holidays of ${state} in ${known}`, states)
  if (!part) return new Calendar(known, knownState)
  const parts = index.getRegions(known, knownState) ?? {}
  const knownPart = rest.length === 0 ? codeIn(parts, part) : undefined
  if (!knownPart) throw unknown('region', `There are no holidays of ${region} in ${known}`, parts)
  return new Calendar(known, knownState, knownPart)
}

const codeIn = (codes: Record<string, string>, wanted: string) =>
  Object.keys(codes).find(code => code.toUpperCase() === wanted.toUpperCase())

function unknown(field: string, what: string, there: Record<string, string>): DomainError {
  const codes = Object.keys(there).sort()
  const known = codes.length > 0 ? `known are ${codes.join(', ')}` : 'none is known'
  const errors = [{ pointer: `/${field}`, detail: 'is not known' }]
  return new DomainError('validation_failed', `${what}; ${known}.`, { known: there, errors })
}
