import { ACTION_VERBS, MESSAGE_KINDS, VISIBILITIES } from '@parley/domain'
import { z } from 'zod'
import { storable } from '../text/storable.ts'
import { isSecret } from './signature.ts'

const MIN_BEARER_LENGTH = 24

const MEDIA_TYPE = /^(\*\/\*|[a-z]+\/(\*|[a-z0-9][a-z0-9.+-]*))$/
const url = z.url({ protocol: /^https?$/ }).max(2048)

const attachmentLimits = z
  .strictObject({
    max_count: z.int().min(1).max(20),
    max_bytes: z
      .int()
      .min(1)
      .max(2 ** 31 - 1),
    media_types: z
      .array(z.string().max(255).regex(MEDIA_TYPE, 'must be such as image/png, image/* or */*'))
      .min(1)
      .max(50),
  })
  .describe('Which files replies may carry: how many, the bytes of each, and their media types; without it, none.')

export const genericSettings = z
  .strictObject({
    reply_url: url.optional().describe('Where replies are POSTed, signed; without it they wait in the outbox.'),
    reply_window_seconds: z
      .int()
      .min(60)
      .max(31_536_000)
      .optional()
      .describe('For how long after a message the network behind it takes an answer; without it, for ever.'),
    attachments: attachmentLimits.optional(),
    action_url: url.optional().describe('Where actions are POSTed, signed.'),
    actions: z
      .array(z.enum(ACTION_VERBS))
      .min(1)
      .refine(verbs => new Set(verbs).size === verbs.length, 'must name each verb once')
      .optional()
      .describe('What the action_url can do to a message; nothing else is asked of it.'),
  })
  .refine(({ action_url, actions }) => !action_url === !actions, 'needs action_url and actions together')
export type GenericSettings = z.infer<typeof genericSettings>

const signing_secrets = z
  .array(z.string().refine(isSecret, 'must be whsec_ and base64 of 24 to 64 random bytes'))
  .min(1)
  .max(5)
  .describe('Secrets as Standard Webhooks has them: events signed with any of them are believed, replies carry all.')
const bearer_secret = z
  .string()
  .min(MIN_BEARER_LENGTH)
  .max(256)
  .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII')
  .describe('For senders that cannot sign: whoever knows it may post.')

export const genericCredentials = z
  .strictObject({ signing_secrets: signing_secrets.optional(), bearer_secret: bearer_secret.optional() })
  .refine(given => given.signing_secrets || given.bearer_secret, 'needs signing_secrets or bearer_secret')
  .describe('At least one of both; without any, a signing secret is made and shown once.')

// Postgres has no year 0, and an offset can push the last or first hours of what it has beyond it.
const instant = z.iso.datetime({ offset: true }).refine(text => {
  const year = new Date(text).getUTCFullYear()
  return year >= 1 && year <= 9999
}, 'must lie in the years 1 to 9999')
const id = z
  .string()
  .min(1)
  .max(1024)
  .refine(text => storable(text) !== '', 'must contain more than NUL')

const author = z.object({
  platform_id: id,
  handle: z.string().max(1024).nullish(),
  name: z.string().max(1024).nullish(),
  avatar_url: z.string().max(2048).nullish(),
})

const attachment = z.object({
  url: z.string().max(2048),
  /** Tells it from the message's other files; without it its address does. */
  id: id.nullish(),
  media_type: z.string().max(255).nullish(),
  filename: z.string().max(1024).nullish(),
  alt_text: z.string().max(4096).nullish(),
  byte_size: z.int().min(0).nullish(),
  inline: z.boolean().nullish(),
})

const post = z.object({
  external_id: id,
  text: z.string().nullish(),
  permalink: z.string().max(2048).nullish(),
  author: author.partial({ platform_id: true }).nullish(),
  from_us: z.boolean().nullish(),
  created_at: instant.nullish(),
  edited_at: instant.nullish(),
})

const LONGEST_WINDOW_MS = 366 * 24 * 3_600_000

const messageData = z
  .object({
    external_id: id,
    thread_id: id.nullish(),
    parent_id: id.nullish(),
    kind: z.enum(MESSAGE_KINDS),
    visibility: z.enum(VISIBILITIES).default('public'),
    author: author.nullish(),
    // As long as the body may be; what is stored of them is cut and marked.
    text: z.string().nullish(),
    html: z.string().nullish(),
    attachments: z.array(attachment).max(20).nullish(),
    created_at: instant,
    edited_at: instant.nullish(),
    permalink: z.string().max(2048).nullish(),
    post: post.nullish(),
    subject: z.object({ title: z.string().max(1024).nullish() }).nullish(),
    reply: z.object({ context: z.string().max(8192).nullish() }).nullish(),
    reply_until: instant.nullish(),
    // What the company itself said: a person in the network's own app, or the echo of a reply that was sent from here,
    // known by the message_id it was requested with.
    from_us: z.boolean().nullish(),
    reply_id: z.uuid().nullish(),
  })
  .refine(data => data.text || data.html || data.attachments?.length, {
    message: 'needs text, html or an attachment',
    path: ['text'],
  })
  .refine(({ created_at, reply_until }) => !reply_until || Date.parse(reply_until) > Date.parse(created_at), {
    message: 'must lie behind created_at',
    path: ['reply_until'],
  })
  .refine(
    ({ created_at, reply_until }) =>
      !reply_until || Date.parse(reply_until) - Date.parse(created_at) <= LONGEST_WINDOW_MS,
    { message: 'must lie within a year of created_at', path: ['reply_until'] },
  )

const common = { id: id.optional(), timestamp: instant.optional() }

/** What we understand of an event. Fields beyond are kept in the ledger and otherwise ignored. */
export const knownEvent = z.discriminatedUnion('type', [
  z.object({ ...common, type: z.enum(['message.received', 'message.updated']), data: messageData }),
  z.object({
    ...common,
    type: z.literal('message.deleted'),
    data: z.object({ external_id: id, deleted_at: instant.nullish() }),
  }),
])
export type KnownEvent = z.infer<typeof knownEvent>
export type MessageEvent = Extract<KnownEvent, { type: 'message.received' | 'message.updated' }>

/** Any event: one of a type we do not know is accepted and closed as ignored, so that senders may run ahead of us. */
export const anyEvent = z.object({ ...common, type: z.string().min(1).max(128) })
export const KNOWN_TYPES = new Set(['message.received', 'message.updated', 'message.deleted'])

export const batchBody = z.object({ events: z.array(z.unknown()).min(1).max(500) })
