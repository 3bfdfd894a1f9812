import { ACTOR_TYPES } from '@parley/domain'
import { z } from 'zod'
import { cursor, id, instantOut, limit } from './common.ts'

export const EVENT_TYPES = [
  'message.received',
  'message.updated',
  'message.deleted',
  'attachment.stored',
  'attachment.refused',
  'attachment.failed',
  'note.created',
  'draft.updated',
  'draft.deleted',
  'reply.queued',
  'reply.sent',
  'reply.rejected',
  'reply.unknown',
  'reply.cancelled',
  'reply.bounced',
  'action.queued',
  'action.sent',
  'action.rejected',
  'action.unknown',
  'action.cancelled',
  'conversation.created',
  'conversation.updated',
  'conversation.assigned',
  'conversation.unassigned',
  'conversation.resolved',
  'conversation.reopened',
  'saved_reply.created',
  'saved_reply.updated',
  'saved_reply.archived',
  'saved_reply.restored',
  'sla.started',
  'sla.retargeted',
  'sla.breached',
  'sla.fulfilled',
  'sla.cancelled',
  'channel.connected',
  'channel.updated',
  'channel.degraded',
  'channel.paused',
  'channel.resumed',
  'channel.recovered',
  'channel.disabled',
  'channel.deleted',
  'backfill.started',
  'backfill.done',
  'backfill.failed',
  'backfill.cancelled',
  'event.parked',
  'event.retried',
  'event.discarded',
  'feed.skipped',
  'feed.retried',
] as const
export type EventType = (typeof EVENT_TYPES)[number]

/** One change. `cursor` is its place in the log: pass it as `after` or `Last-Event-ID` to go on from here. */
export const eventView = z
  .object({
    cursor: z.string(),
    id,
    type: z.enum(EVENT_TYPES),
    at: instantOut,
    workspace_id: id,
    actor: z.object({ type: z.enum(ACTOR_TYPES), id: id.nullable() }),
    conversation_id: id.nullable(),
    data: z.unknown(),
    previous: z.unknown(),
  })
  .meta({ id: 'Event' })

export const eventQuery = z.strictObject({ after: cursor.optional(), limit })
export const eventPage = z.object({ data: z.array(eventView), next_cursor: z.string().nullable() })
