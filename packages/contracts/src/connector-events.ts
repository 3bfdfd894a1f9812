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

export type ConnectorEvent = ConnectorMessage | ConnectorDeletion | ConnectorIgnored
