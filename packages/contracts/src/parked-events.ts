import { z } from 'zod'
import { boundedCount } from './channel-health.ts'
import { id, instantIn, instantOut } from './common.ts'

const EVENT_STATES = ['pending', 'done', 'ignored', 'parked', 'discarded'] as const

export const parkedParams = z.strictObject({ id, event_id: id })

/** An event that could not become a message; a person can see what and why. */
export const parkedEventView = z
  .object({
    id,
    dedup_key: z.string(),
    payload: z.unknown(),
    error: z.string().nullable(),
    attempts: z.int(),
    received_at: instantOut,
  })
  .meta({ id: 'ParkedEvent' })

/** An event of the ledger after a person has decided about it. */
export const ledgerEventView = z
  .object({
    id,
    channel_id: id,
    dedup_key: z.string(),
    state: z.enum(EVENT_STATES),
    error: z.string().nullable(),
    attempts: z.int(),
    received_at: instantOut,
  })
  .meta({ id: 'LedgerEvent' })

/** Which parked events are meant: named ones, or all that were received before an instant, part by part. */
export const parkedSelection = z.union([
  z.strictObject({ ids: z.array(id).min(1).max(500) }),
  z.strictObject({ all: z.literal(true), before: instantIn.optional(), after: id.optional() }),
])

/** What became of each event. A call about `all` handles a part; go on with `next_after` as `after` until it is null. */
export const parkedOutcomes = z
  .object({
    data: z.array(
      z.object({
        id,
        outcome: z.enum(['changed', 'not_parked', 'not_found']),
        /** Its state now; null when there is no such event. */
        state: z.enum(EVENT_STATES).nullable(),
      }),
    ),
    next_after: id.nullable(),
    /** How many parked events are left: of those that were meant, or of the channel when ids were given. */
    left: boundedCount,
  })
  .meta({ id: 'ParkedOutcomes' })
