import { z } from 'zod'
import { calendarView, holidayView } from './calendars.ts'
import { language } from './common.ts'
import { listOf } from './query.ts'

export const HOLIDAY_TYPES = ['public', 'bank', 'school', 'optional', 'observance'] as const
export type HolidayType = (typeof HOLIDAY_TYPES)[number]

// Beyond, the tables of the lunar calendars end.
const [FIRST_YEAR, LAST_YEAR] = [1970, 2080]
const MAX_YEARS = 10
const MAX_ICAL_BYTES = 1024 * 1024
/** The text of an iCalendar as JSON, where each line break and each sign may be longer. */
export const MAX_HOLIDAY_IMPORT_BYTES = 3 * MAX_ICAL_BYTES

const country = z.string().regex(/^[A-Za-z]{2}$/, 'must be a country code such as DE')
const region = z.string().regex(/^[A-Za-z0-9]{1,20}(-[A-Za-z0-9]{1,20})*$/, 'must be the code of a region such as BE')
const types = z.array(z.enum(HOLIDAY_TYPES)).min(1).max(HOLIDAY_TYPES.length)

export const holidayQuery = z.strictObject({
  country,
  region: region.optional(),
  year: z
    .string()
    .regex(/^\d{4}$/, 'must be a year')
    .transform(Number)
    .refine(year => year >= FIRST_YEAR && year <= LAST_YEAR, `must lie between ${FIRST_YEAR} and ${LAST_YEAR}`)
    .meta({ type: 'integer', minimum: FIRST_YEAR, maximum: LAST_YEAR }),
  language: language.optional(),
  types: listOf(z.enum(HOLIDAY_TYPES)).default(['public']),
})

export const countryHolidaysView = z
  .object({
    data: z.array(
      z.object({
        holiday: holidayView,
        type: z.enum(HOLIDAY_TYPES),
        substitute: z.boolean().meta({ description: 'Given for another day, which falls on a weekend.' }),
        note: z.string().nullable(),
      }),
    ),
    attribution: z.string(),
  })
  .meta({ id: 'CountryHolidays' })

const dry_run = z.boolean().default(false)
const ofCountry = z.strictObject({
  country,
  region: region.optional(),
  years: z.array(z.int().min(FIRST_YEAR).max(LAST_YEAR)).min(1).max(MAX_YEARS),
  types: types.default(['public']),
  language: language.optional(),
  dry_run,
})
const ofIcal = z.strictObject({
  ical: z
    .string()
    .min(1)
    .refine(text => Buffer.byteLength(text) <= MAX_ICAL_BYTES, `must be at most ${MAX_ICAL_BYTES} bytes of UTF-8`),
  dry_run,
})
/** The holidays of a country in some years, or those of an iCalendar text (RFC 5545). */
export const holidayImportBody = z.union([ofCountry, ofIcal])

export const HOLIDAY_SKIP_REASONS = [
  'cancelled',
  'free',
  'over',
  'later',
  'no_length',
  'unknown_time_zone',
  'unreadable',
  'range_unsupported',
] as const
export type HolidaySkipReason = (typeof HOLIDAY_SKIP_REASONS)[number]

export const holidayImportView = z
  .object({
    dry_run: z.boolean(),
    calendar: calendarView,
    added: z.array(holidayView),
    present: z.array(holidayView).meta({ description: 'What the calendar closes already.' }),
    skipped: z.array(
      z.object({ name: z.string().nullable(), date: z.string().nullable(), reason: z.enum(HOLIDAY_SKIP_REASONS) }),
    ),
  })
  .meta({ id: 'HolidayImport' })
