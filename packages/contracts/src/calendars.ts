import { z } from 'zod'
import { id, instantOut, name } from './common.ts'

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
    .max(1000)
    .default([]),
})
export const calendarBody = z.strictObject({ name, definition: calendarDefinition })

export const calendarView = z
  .object({ id, name: z.string(), version: z.int(), definition: z.unknown(), created_at: instantOut })
  .meta({ id: 'Calendar' })
