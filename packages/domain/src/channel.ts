/** What kinds of account can be connected. A kind's wire format is known to its connector alone. */
export const CHANNEL_KINDS = ['generic', 'bluesky', 'mastodon', 'email'] as const
export type ChannelKind = (typeof CHANNEL_KINDS)[number]

export const CHANNEL_STATUSES = ['active', 'paused', 'disabled', 'deleted'] as const
export type ChannelStatus = (typeof CHANNEL_STATUSES)[number]

/** How a reading of a channel's history stands. */
export const BACKFILL_STATES = ['running', 'done', 'failed', 'cancelled'] as const
export type BackfillState = (typeof BACKFILL_STATES)[number]

/** How often a polled network may be asked what is new. */
export const POLL_SECONDS = { least: 5, most: 86_400, usual: 15 } as const

/** How an inbound message came to be addressed to us, in the words the networks share. */
export const MESSAGE_KINDS = ['mention', 'comment', 'reply', 'quote', 'direct', 'review', 'email'] as const
export type MessageKind = (typeof MESSAGE_KINDS)[number]
