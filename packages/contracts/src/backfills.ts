import { BACKFILL_STATES } from '@parley/domain'
import { z } from 'zod'
import { id, instantIn, instantOut } from './common.ts'

/** How far back: to an instant, or some days. */
export const backfillBody = z.union([
  z.strictObject({ since: instantIn }),
  z.strictObject({ days: z.int().min(1).max(365) }),
])

/** A reading of a channel's history. `events` counts those that were not known before. */
export const backfillView = z
  .object({
    id,
    channel_id: id,
    state: z.enum(BACKFILL_STATES),
    reason: z.string().nullable(),
    since: instantOut,
    pages: z.int(),
    events: z.int(),
    oldest_at: instantOut.nullable(),
    started_at: instantOut,
    finished_at: instantOut.nullable(),
  })
  .meta({ id: 'Backfill' })
