import { DIFFERENCE_LEVELS } from '@parley/domain'
import { z } from 'zod'
import { id, instantOut } from './common.ts'

const difference = z
  .object({
    conversation_id: id,
    clock_id: id,
    level: z.enum(DIFFERENCE_LEVELS).meta({
      description:
        'log: the clock is not what its events say; figures: they say what its calendar and policy do not give; cause: nothing in the log has brought about what they say.',
    }),
    field: z.string(),
    stored: z.unknown(),
    recomputed: z.unknown().meta({ description: 'Null also where nothing in the log has brought it about.' }),
    found_at: instantOut,
  })
  .meta({ id: 'SlaDifference' })

export const slaSelfCheckView = z
  .object({
    last: z
      .object({
        started_at: instantOut,
        finished_at: instantOut.nullable().meta({ description: 'Null: it goes on.' }),
        conversations: z.int().meta({ description: 'How many were looked at, of the whole workspace.' }),
        clocks: z.int(),
        skipped: z.int().meta({ description: 'Conversations that are too large to be recomputed.' }),
        differences: z.int().meta({ description: 'How many were found in the inboxes that the caller sees.' }),
      })
      .nullable()
      .meta({ description: 'The last check; null before the first one.' }),
    differences: z.array(difference).meta({ description: 'What it has found, the first hundred.' }),
  })
  .meta({ id: 'SlaSelfCheck' })
