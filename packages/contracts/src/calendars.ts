import { z } from 'zod'
import { id, instantOut, name } from './common.ts'

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
