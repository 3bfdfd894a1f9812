import { z } from 'zod'
import { id, instantOut } from './common.ts'
import { listOf } from './query.ts'

const WEEK_HOURS = 168
const wholeUpTo = (most: number) =>
  z
    .string()
    .regex(/^[1-9]\d{0,2}$/, `must be a whole number from 1 to ${most}`)
    .transform(Number)
    .refine(value => value <= most, `must be a whole number from 1 to ${most}`)

export const slaForecastQuery = z.strictObject({
  hours: wholeUpTo(24)
    .default(4)
    .meta({ type: 'integer', minimum: 1, maximum: 24, description: 'How many hours ahead.' }),
  window_hours: wholeUpTo(4 * WEEK_HOURS)
    .default(WEEK_HOURS)
    .meta({
      type: 'integer',
      minimum: 1,
      maximum: 4 * WEEK_HOURS,
      description: 'Over how many of the last hours it is measured how many arrive and are answered.',
    }),
  inbox_id: listOf(id).optional(),
})

const expected = {
  due: z.number().meta({ description: 'How many answers fall due, of those who wait now and of those who will.' }),
  answered: z.number().meta({ description: 'How many of them are expected before.' }),
  breached: z.number().meta({ description: 'How many are not.' }),
}
const ahead = {
  ...expected,
  hours: z.array(z.object({ from: instantOut, to: instantOut, ...expected })),
}
const counts = {
  waiting: z.int().meta({ description: 'Customers who wait now for an answer that they were promised.' }),
  late: z.int().meta({ description: 'Of them those for whom it is too late already.' }),
  arrivals: z
    .int()
    .meta({ description: 'Who began to wait within the window, without those who wait no longer unanswered.' }),
  answers: z.int().meta({ description: 'Who was answered within it.' }),
}

export const slaForecastView = z
  .object({
    as_of: instantOut.nullable().meta({ description: 'Up to when what happened is counted; null while nothing is.' }),
    from: instantOut,
    to: instantOut,
    window: z.object({ from: instantOut, to: instantOut }),
    total: z.object({ ...counts, ...ahead }),
    inboxes: z.array(
      z.object({
        inbox_id: id,
        name: z.string(),
        ...counts,
        assumed: z.object({
          arrivals_per_hour: z.number().meta({ description: 'By the hour of the calendar.' }),
          answers_per_open_hour: z.number().meta({ description: 'By the hour of open time.' }),
          open_hours: z.number().meta({ description: 'How much of the window was open.' }),
          target_seconds: z
            .int()
            .nullable()
            .meta({ description: 'What most of its customers are promised; null where none is promised anything.' }),
          policy_id: id.nullable().meta({ description: 'By that policy, whose calendar tells open time.' }),
        }),
        ...ahead,
        text: z.array(z.string()).meta({ description: 'The same in words.' }),
      }),
    ),
  })
  .meta({ id: 'SlaForecast' })
