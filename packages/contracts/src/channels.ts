import {
  ACTION_VERBS,
  CHANNEL_KINDS,
  CHANNEL_STATUSES,
  POLL_SECONDS,
  SEND_IDEMPOTENCIES,
  TEXT_COUNTINGS,
  VISIBILITIES,
} from '@parley/domain'
import { z } from 'zod'
import { attachmentView } from './attachments.ts'
import { externalId, id, instantOut, name, pageQuery, safeText } from './common.ts'
import { claimLease, routingBody, routingView } from './ownership.ts'

const YEAR_SECONDS = 365 * 24 * 3600
/** How long after it was resolved a customer's message opens a conversation again; later it begins a new one. null: always. */
const reopenWindow = z
  .int()
  .min(0)
  .max(10 * YEAR_SECONDS)
  .nullable()

export const inboxBody = z.strictObject({
  name,
  sla_policy_id: id.nullable().default(null),
  reopen_window_seconds: reopenWindow.default(null),
})
export const inboxPatch = z.strictObject({
  name: name.optional(),
  sla_policy_id: id.nullable().optional(),
  reopen_window_seconds: reopenWindow.optional(),
  /** Who sees it: everybody, or its members and administrators. */
  open_to_all: z.boolean().optional(),
  /** How much open time may pass without work before a claim goes back to the queue; null: it never does. */
  claim_lease_seconds: claimLease.optional(),
  routing: routingBody.optional(),
})
export const inboxView = z
  .object({
    id,
    name: z.string(),
    sla_policy_id: id.nullable(),
    reopen_window_seconds: z.int().nullable(),
    open_to_all: z.boolean(),
    claim_lease_seconds: z.int().nullable(),
    routing: routingView,
    created_at: instantOut,
  })
  .meta({ id: 'Inbox' })

/** How often a network is asked what is new, where it is asked at all. */
const pollSeconds = z.int().min(POLL_SECONDS.least).max(POLL_SECONDS.most)

/** `settings` and `credentials` are what the kind's connector asks for; it refuses unknown fields. */
export const channelBody = z.strictObject({
  kind: z.enum(CHANNEL_KINDS),
  name,
  inbox_id: id,
  settings: z.record(z.string(), z.unknown()).default({}),
  credentials: z.record(z.string(), z.unknown()).default({}),
  poll_seconds: pollSeconds.default(POLL_SECONDS.usual),
})
/** `settings` take the place of the former ones as a whole. */
export const channelPatch = z.strictObject({
  name: name.optional(),
  poll_seconds: pollSeconds.optional(),
  old_reply_seconds: z.int().min(60).max(31_536_000).optional(),
  settings: z.record(z.string(), z.unknown()).optional(),
})

/** New credentials for the same account, and new settings where it has moved. */
export const reconnectBody = z.strictObject({
  credentials: z.record(z.string(), z.unknown()),
  settings: z.record(z.string(), z.unknown()).optional(),
})

/** What a try of a channel found: each thing it needs by itself. */
export const channelTestView = z
  .object({
    ok: z.boolean(),
    checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })),
  })
  .meta({ id: 'ChannelTest' })

/** Credentials never leave; `has_credentials` in their place would always be true, so nothing stands there. */
export const channelView = z
  .object({
    id,
    kind: z.enum(CHANNEL_KINDS),
    name: z.string(),
    inbox_id: id,
    external_id: z.string().nullable(),
    status: z.enum(CHANNEL_STATUSES),
    status_reason: z.string().nullable(),
    settings: z.unknown(),
    poll_seconds: z.int(),
    resume_at: instantOut.nullable().meta({ description: 'Until then its network is asked nothing: it said so.' }),
    send_resume_at: instantOut.nullable().meta({
      description:
        'Until then replies wait: the network takes no more, or did not answer. Comments are read meanwhile.',
    }),
    old_reply_seconds: z.int().meta({
      description: 'A reply that waited longer than this while the channel could not send is told when it goes on.',
    }),
    connected_at: instantOut,
    created_at: instantOut,
  })
  .meta({ id: 'Channel' })

/** A channel that goes on, and the replies that go out with it although they are old. Cancel what is not right any more. */
export const resumedChannelView = channelView
  .extend({ old_replies: z.array(z.object({ message_id: id, conversation_id: id, queued_at: instantOut })) })
  .meta({ id: 'ResumedChannel' })

/** What a connected account can do: what is offered to an agent, and what a reply is checked against. */
export const capabilitiesView = z
  .object({
    actions: z.array(z.enum(ACTION_VERBS)),
    idempotency: z.enum(SEND_IDEMPOTENCIES),
    text: z.object({
      counting: z.enum(TEXT_COUNTINGS),
      max_characters: z.int().nullable(),
      max_bytes: z.int(),
      link_characters: z.int().nullable(),
    }),
    visibilities: z.array(z.enum(VISIBILITIES)),
    attachments: z.object({ max_count: z.int(), max_bytes: z.int(), media_types: z.array(z.string()) }).nullable(),
    reply_window_seconds: z.int().nullable(),
  })
  .meta({ id: 'Capabilities' })

export const outboxQuery = pageQuery

/** A reply waiting for the integration to carry it to its network. */
export const outboxItem = z
  .object({
    message_id: id,
    conversation_id: id,
    thread_id: z.string(),
    in_reply_to: z.string().nullable(),
    reply_context: z.unknown(),
    text: z.string(),
    visibility: z.string(),
    queued_at: instantOut,
    attachments: z
      .array(attachmentView)
      .meta({ description: 'Its files; each is had from /v1/attachments/{id}/content.' }),
  })
  .meta({ id: 'OutboxItem' })

export const outboxAckBody = z.union([
  z.strictObject({
    external_id: externalId,
    permalink: z
      .url({ protocol: /^https?$/, normalize: true })
      .max(2048)
      .optional(),
  }),
  z.strictObject({ rejected_reason: safeText(1000) }),
])

export const outboxParams = z.strictObject({ id, message_id: id })
