import { z } from 'zod'
import { id, instantIn, instantOut, pageOf, pageQuery, safeText } from './common.ts'

const MAX_CHOSEN = 100

export const watcherParams = z.strictObject({ id, user_id: id })
export const watchers = z.object({
  data: z.array(
    z
      .object({
        user_id: id,
        name: z.string(),
        reason: z.enum(['by_hand', 'mentioned', 'owned']).meta({ description: 'What made them watch it.' }),
        watched_at: instantOut,
      })
      .meta({ id: 'Watcher' }),
  ),
})

const span = { first_at: instantOut, last_at: instantOut }
/** Who took part in a conversation, the first to do so first. */
export const participants = z
  .object({
    customers: z.array(
      z.object({ contact_id: id, name: z.string(), messages: z.int(), waiting: z.boolean(), ...span }),
    ),
    staff: z.array(
      z.object({
        user_id: id,
        name: z.string(),
        replies: z.int(),
        notes: z.int(),
        owns: z.boolean(),
        owned: z.boolean().meta({ description: 'Owns it, or did at some time.' }),
        ...span,
      }),
    ),
  })
  .meta({ id: 'Participants' })

const NOTIFICATION_KINDS = [
  'mentioned',
  'assigned',
  'unassigned',
  'customer_message',
  'resolved',
  'reopened',
  'task_due',
  'expert_answered',
  'sla_warned',
  'sla_breached',
] as const

const notificationView = z
  .object({
    id,
    kind: z.enum(NOTIFICATION_KINDS),
    conversation_id: id,
    message_id: id.nullable(),
    task_id: id.nullable(),
    clock_id: id.nullable().meta({ description: 'The promise that it is about.' }),
    actor: z.object({ type: z.string(), id: id.nullable() }),
    at: instantOut,
    read_at: instantOut.nullable(),
  })
  .meta({ id: 'Notification' })
const unread = z.object({ count: z.int(), at_least: z.boolean() })

export const notificationQuery = pageQuery.extend({ unread: z.enum(['true']).optional() })
export const notificationPage = pageOf(notificationView).extend({
  unread: unread.meta({ description: 'How many are unread, whatever this page shows; counted up to a thousand.' }),
})
export const notificationsReadBody = z
  .strictObject({
    ids: z.array(id).min(1).max(MAX_CHOSEN).optional(),
    /** This one and all before it. */
    up_to: id.optional(),
  })
  .refine(body => (body.ids === undefined) !== (body.up_to === undefined), 'must have either ids or up_to')
export const notificationsRead = z.object({ unread })

const TASK_STATES = ['open', 'done'] as const
const title = safeText(500)
const note = safeText(10_000).nullable()

export const taskView = z
  .object({
    id,
    conversation_id: id,
    title: z.string(),
    note: z.string().nullable(),
    due_at: instantOut,
    assignee_id: id.nullable(),
    state: z.enum(TASK_STATES),
    done_at: instantOut.nullable(),
    version: z.int(),
    created_at: instantOut,
    updated_at: instantOut,
  })
  .meta({ id: 'Task' })
export const taskBody = z.strictObject({
  conversation_id: id,
  title,
  note: note.default(null),
  due_at: instantIn,
  /** Somebody who works in the conversation's inbox. */
  assignee_id: id.nullable().default(null),
})
export const taskPatch = z
  .strictObject({
    title: title.optional(),
    note: note.optional(),
    due_at: instantIn.optional(),
    assignee_id: id.nullable().optional(),
    state: z.enum(TASK_STATES).optional(),
  })
  .refine(patch => Object.keys(patch).length > 0, 'must change something')
export const taskQuery = pageQuery.extend({
  assignee_id: z.union([z.literal('none'), z.literal('me'), id]).optional(),
  state: z.enum(TASK_STATES).optional(),
  due_before: instantIn.optional(),
})
