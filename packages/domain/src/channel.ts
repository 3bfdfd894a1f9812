/** What kinds of account can be connected. A kind's wire format is known to its connector alone. */
export const CHANNEL_KINDS = ['generic', 'bluesky'] as const
export type ChannelKind = (typeof CHANNEL_KINDS)[number]

export const CHANNEL_STATUSES = ['active', 'paused', 'disabled', 'deleted'] as const
export type ChannelStatus = (typeof CHANNEL_STATUSES)[number]

/** How a reading of a channel's history stands. */
export const BACKFILL_STATES = ['running', 'done', 'failed', 'cancelled'] as const
export type BackfillState = (typeof BACKFILL_STATES)[number]

/** How often a polled network may be asked what is new. */
export const POLL_SECONDS = { least: 5, most: 86_400, usual: 15 } as const

/** How an inbound message came to be addressed to us, in the words the networks share. */
export const MESSAGE_KINDS = ['mention', 'comment', 'reply', 'quote', 'direct', 'review'] as const
export type MessageKind = (typeof MESSAGE_KINDS)[number]

export const VISIBILITIES = ['public', 'private'] as const
export type Visibility = (typeof VISIBILITIES)[number]

/**
 * What makes a repeated send harmless on a network.
 * `chosen_key`: we name the post before sending, a repeat is the same post, so a lost answer may be asked again.
 * `none`: a repeat is a second post, so only a person may decide to send again.
 */
export type SendIdempotency = 'chosen_key' | 'none'

export type ChannelCapabilities = {
  /** Longest reply in user-perceived characters (grapheme clusters); null when the network sets no limit. */
  max_reply_graphemes: number | null
  /** Longest reply in UTF-8 bytes. */
  max_reply_bytes: number
  idempotency: SendIdempotency
}
