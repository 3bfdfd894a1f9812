import { z } from 'zod'
import { boundedCount } from './channel-health.ts'
import { externalId, id, instantOut } from './common.ts'
import { EVENT_TYPES } from './events.ts'

const consumer = externalId

export const feedParams = z.strictObject({ consumer })
export const feedFailureParams = z.strictObject({ consumer, id })

/** Something of Parley's own that follows the event log, and how far it has come. */
export const feedView = z
  .object({
    consumer: z.string(),
    /** Its place in the log: of the last event that it handled or left behind. */
    cursor: z.string(),
    /** How many events it has handled. */
    handled: z.int(),
    moved_at: instantOut,
    unread: boundedCount,
    oldest_unread_at: instantOut.nullable(),
    /** Of the next event, when it could not be handled so far: it is tried again at that time, and left behind in the end. */
    trouble: z.object({ attempts: z.int(), error: z.string(), retry_at: instantOut }).nullable(),
    /** Events that it left behind and has not handled since. */
    failures: boundedCount,
  })
  .meta({ id: 'Feed' })

export const feeds = z.object({ data: z.array(feedView) })

/** An event that a consumer could not handle; it went on without it. */
export const feedFailureView = z
  .object({
    id,
    consumer: z.string(),
    event_id: id,
    event_type: z.enum(EVENT_TYPES),
    conversation_id: id.nullable(),
    state: z.enum(['failed', 'pending', 'done']),
    attempts: z.int(),
    error: z.string(),
    failed_at: instantOut,
    done_at: instantOut.nullable(),
  })
  .meta({ id: 'FeedFailure' })
