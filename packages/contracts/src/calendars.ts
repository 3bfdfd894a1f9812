import { z } from 'zod'
import { id, instantIn, instantOut, name } from './common.ts'

export const MAX_HOLIDAYS = 1000

const timeOfDay = z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'must be a time of day such as 09:30')
const localDate = z.string().regex(/^(\d{4}-)?\d{2}-\d{2}$/, 'must be YYYY-MM-DD, or MM-DD for every year')

/** Business hours in a team's own time zone. `closes` not after `opens` means the next day. */
export const calendarDefinition = z.strictObject({
  time_zone: z.string().min(1).max(64),
  weekly: z
    .array(z.strictObject({ weekday: z.int().min(1).max(7), opens: timeOfDay, closes: timeOfDay }))
    .min(1)
    .max(100),
  holidays: z
    .array(
      z.strictObject({
        date: localDate,
        name: name.optional(),
        closed_from: timeOfDay.optional(),
        closed_until: timeOfDay.optional(),
      }),
    )
    .max(MAX_HOLIDAYS)
    .default([]),
})
export const calendarBody = z.strictObject({ name, definition: calendarDefinition })
export const calendarPatch = z.strictObject({ name, definition: calendarDefinition }).partial()

export const holidayView = z
  .object({
    date: z.string().meta({ description: 'YYYY-MM-DD, or MM-DD for every year.' }),
    name: z.string().optional(),
    closed_from: z.string().optional().meta({ description: 'With closed_until: those hours only.' }),
    closed_until: z.string().optional(),
  })
  .meta({ id: 'Holiday' })

/** As it is saved: what goes in comes out. */
const definitionView = z
  .object({
    time_zone: z.string(),
    weekly: z.array(z.object({ weekday: z.int(), opens: z.string(), closes: z.string() })),
    holidays: z.array(holidayView),
  })
  .meta({ id: 'CalendarDefinition' })

export const calendarView = z
  .object({
    id,
    name: z.string(),
    version: z.int(),
    definition: definitionView,
    created_at: instantOut,
    updated_at: instantOut.meta({ description: 'When this version was made.' }),
  })
  .meta({ id: 'Calendar' })

export const calendarVersionView = z
  .object({
    version: z.int(),
    name: z.string(),
    definition: definitionView,
    created_at: instantOut,
    created_by_type: z.string().nullable().meta({ description: 'Null: nobody wrote down who made it.' }),
    created_by_id: id.nullable(),
  })
  .meta({ id: 'CalendarVersion' })

export const MAX_IMPORTED_CALENDARS = 100

/** By name: what is new is saved, what differs becomes the next version. */
export const calendarImportBody = z.strictObject({
  calendars: z
    .array(calendarBody)
    .min(1)
    .max(MAX_IMPORTED_CALENDARS)
    .refine(all => new Set(all.map(({ name }) => name)).size === all.length, 'must not name a calendar twice'),
  dry_run: z.boolean().default(false),
})

/** What became of each, of what is imported by name. */
export const namedImportView = z
  .object({
    dry_run: z.boolean(),
    data: z.array(
      z.object({
        name: z.string(),
        result: z.enum(['created', 'updated', 'unchanged', 'refused']),
        id: id.nullable(),
        version: z.int().nullable(),
        detail: z.string().nullable().meta({ description: 'Why it was refused.' }),
      }),
    ),
  })
  .meta({ id: 'NamedImport' })

const MAX_PREVIEW_MS = 62 * 24 * 3600 * 1000
const MAX_TARGET_SECONDS = 366 * 24 * 3600

export const previewBody = z
  .strictObject({
    definition: calendarDefinition,
    from: instantIn,
    to: instantIn,
    /** With target_seconds: when that would be due. */
    start: instantIn.optional(),
    target_seconds: z.int().min(0).max(MAX_TARGET_SECONDS).optional(),
  })
  .refine(({ from, to }) => from < to, { message: 'must lie before `to`', path: ['from'] })
  .refine(({ from, to }) => to.getTime() - from.getTime() <= MAX_PREVIEW_MS, {
    message: 'at most 62 days at once',
    path: ['to'],
  })
  .refine(({ start, target_seconds }) => (start === undefined) === (target_seconds === undefined), {
    message: 'comes with `start`, and `start` with it',
    path: ['target_seconds'],
  })

const moment = z.object({
  at: instantOut,
  local: z.string().meta({ description: 'The same instant as the clocks of the calendar show it.' }),
})
export const previewView = z
  .object({
    time_zone: z.string(),
    open_seconds: z.number(),
    intervals: z.array(z.object({ start: moment, end: moment })),
    due: moment.nullable(),
  })
  .meta({ id: 'CalendarPreview' })
