import { MESSAGE_KINDS, TEXT_MARKS, VISIBILITIES } from '@parley/domain'
import { z } from 'zod'

const instant = z.iso.datetime({ offset: true })

/** Who wrote a message, as their network knows them. `external_id` is stable; handle and name may change. */
export const connectorAuthor = z.strictObject({
  external_id: z.string().min(1),
  handle: z.string().nullable(),
  display_name: z.string().nullable(),
  avatar_url: z.string().nullable(),
})
export type ConnectorAuthor = z.infer<typeof connectorAuthor>

/** A file of a message: at an address of its network, or in our blob store already. `external_id` tells it from its siblings. */
export const connectorAttachment = z.strictObject({
  external_id: z.string().min(1),
  url: z.string().nullable(),
  blob_key: z.string().nullable(),
  /** What the network or the sender claims it is. */
  media_type: z.string().nullable(),
  filename: z.string().nullable(),
  alt_text: z.string().nullable(),
  byte_size: z.int().nullable(),
  /** Shown within the text, as pictures of an e-mail are. */
  inline: z.boolean(),
  /** A page or a stream elsewhere: shown as a link to `url`, never fetched. */
  linked: z.boolean().optional(),
})
export type ConnectorAttachment = z.infer<typeof connectorAttachment>

/**
 * What else tells the conversation of a message, where its thread cannot be told from the message alone. Looked up when
 * it is applied; where nothing is found, the thread key decides.
 */
export const threadHints = z.strictObject({
  /** Random tokens of conversations that only their participants were told. */
  reply_tokens: z.array(z.string()),
  /** Network ids of messages it refers to, the most telling first. */
  references: z.array(z.string()),
  /** Addresses that it came from or went to, our own left out: it joins only conversations that one of them is part of. */
  participants: z.array(z.string()),
  /** Continues a recent conversation of its author under this subject; null where it may not. */
  subject: z.string().nullable(),
  written_at: instant,
  /** Of author and text: whether a second message under a known id is that message. */
  content_hash: z.string(),
})
export type ThreadHints = z.infer<typeof threadHints>

/**
 * What a message is on, as far as it tells: what it does not know is absent. A message that is the post itself names
 * itself, and its own words, author and times are the post's.
 */
export const connectorPost = z.strictObject({
  external_id: z.string().min(1),
  text: z.string().nullable().optional(),
  permalink: z.string().nullable().optional(),
  author: z
    .strictObject({
      external_id: z.string().nullable(),
      handle: z.string().nullable(),
      display_name: z.string().nullable(),
    })
    .optional(),
  /** True when one of our own connected accounts wrote it. */
  from_us: z.boolean().optional(),
  occurred_at: instant.optional(),
  /** When the post was like this: the newer telling counts. The message's own when absent. */
  version_at: instant.optional(),
})
export type ConnectorPost = z.infer<typeof connectorPost>

/**
 * One message, as every connector describes it, whatever its network calls it.
 * `thread_key` decides the conversation; `version_at` decides between two versions of the same message.
 */
export const connectorMessage = z.strictObject({
  type: z.literal('message'),
  external_id: z.string().min(1),
  thread_key: z.string().min(1),
  parent_external_id: z.string().nullable(),
  kind: z.enum(MESSAGE_KINDS),
  visibility: z.enum(VISIBILITIES),
  author: connectorAuthor,
  text: z.string(),
  /** The text as safe HTML, where the network has HTML. */
  html: z.string().nullable(),
  /** What was done to both so that they could be stored, in the order of TEXT_MARKS. */
  text_marks: z.array(z.enum(TEXT_MARKS)),
  subject: z.string().nullable(),
  permalink: z.string().nullable(),
  occurred_at: instant,
  version_at: instant,
  /** True when one of our own connected accounts wrote it: never a customer. */
  from_us: z.boolean(),
  /** Of our own: the id of the reply it is an echo of, where the network carries one along. */
  send_token: z.uuid().nullable(),
  /** What the connector needs again to answer this message: references, opaque reply context. */
  reply_context: z.record(z.string(), z.unknown()).nullable(),
  attachments: z.array(connectorAttachment).optional(),
  /** A program wrote it: nobody waits for an answer, and it opens nothing again. */
  automatic: z.boolean().optional(),
  /** What it repeats of earlier messages, left out of `text`. */
  quoted_text: z.string().nullable().optional(),
  /** Whether the network vouches for the author; null where it says nothing about that. */
  sender_verified: z.boolean().nullable().optional(),
  thread_hints: threadHints.optional(),
  post: connectorPost.optional(),
  /** Until when the network takes an answer to it, where it says so. */
  reply_until: instant.optional(),
})
export type ConnectorMessage = z.infer<typeof connectorMessage>

/** The message was deleted on its network at `version_at`. */
export const connectorDeletion = z.strictObject({
  type: z.literal('deletion'),
  external_id: z.string().min(1),
  version_at: instant,
})
export type ConnectorDeletion = z.infer<typeof connectorDeletion>

/** Nothing for the inbox: a ping, a reaction counter. Stored in the ledger and closed. */
export const connectorIgnored = z.strictObject({ type: z.literal('ignored'), reason: z.string() })
export type ConnectorIgnored = z.infer<typeof connectorIgnored>

/**
 * What we sent came back: it did not reach, or will not. Known by the reply's id on the network, or by the reply's own
 * where the network carries one along. `permanent` false is a delay, for information.
 */
export const connectorBounce = z.strictObject({
  type: z.literal('bounce'),
  external_id: z.string().nullable(),
  send_token: z.uuid().nullable(),
  recipient: z.string().nullable(),
  reason: z.string(),
  permanent: z.boolean(),
  occurred_at: instant,
})
export type ConnectorBounce = z.infer<typeof connectorBounce>

export type ConnectorEvent = ConnectorMessage | ConnectorDeletion | ConnectorBounce | ConnectorIgnored
