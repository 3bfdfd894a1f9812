import { countGraphemes } from './message.ts'
import { findEntities } from './text/entities.ts'
import type { Visibility } from './visibility.ts'

/** What can be done to a message besides answering it; a reply in private is a reply. `delete` and `edit` are of our own. */
export const ACTION_VERBS = ['like', 'unlike', 'hide', 'unhide', 'delete', 'edit'] as const
export type ActionVerb = (typeof ACTION_VERBS)[number]

/**
 * What makes a repeated send harmless on a network.
 * `chosen_key`: we name the post before sending, and a repeat is the same post, at any time.
 * `header_key`: the network knows a repeat by a header for some time; after that it has to be asked.
 * `look_up`: the network can be asked whether it has the post, but a repeat is a second post.
 * `none`: a repeat is a second post and nobody can be asked, so only a person may decide to send again.
 */
export const SEND_IDEMPOTENCIES = ['chosen_key', 'header_key', 'look_up', 'none'] as const
export type SendIdempotency = (typeof SEND_IDEMPOTENCIES)[number]

/**
 * How a network counts the length of a text. `graphemes`: as a reader does. `fediverse`: so too, but each link counts a
 * fixed number and of a mention only the name before its server.
 */
export const TEXT_COUNTINGS = ['graphemes', 'fediverse'] as const
export type TextCounting = (typeof TEXT_COUNTINGS)[number]

export type TextLimits = {
  counting: TextCounting
  /** Most characters of a reply; null when the network sets no limit. */
  max_characters: number | null
  /** Most bytes of UTF-8. */
  max_bytes: number
  /** What each link counts; null where it counts its characters. */
  link_characters: number | null
}

export type AttachmentLimits = {
  max_count: number
  /** Of each file. */
  max_bytes: number
  /** Media types as `image/png` or `image/*`. */
  media_types: string[]
}

/** What a connected account can do. Differs between two accounts of a kind where their servers differ. */
export type ChannelCapabilities = {
  actions: ActionVerb[]
  idempotency: SendIdempotency
  text: TextLimits
  /** What a reply may be. */
  visibilities: Visibility[]
  /** Null where replies carry no files. */
  attachments: AttachmentLimits | null
  /** For how long a message can be answered; null: for ever. */
  reply_window_seconds: number | null
}

/** The length of a text as the network counts it. */
export function countCharacters(text: string, { counting, link_characters }: TextLimits): number {
  if (counting === 'graphemes') return countGraphemes(text)
  let counted = ''
  let beyond = 0
  let at = 0
  for (const entity of findEntities(text)) {
    const { type, start, end } = entity
    counted += text.slice(at, start)
    at = end
    if (type === 'mention') counted += `@${entity.name}`
    else if (link_characters === null) counted += text.slice(start, end)
    else {
      // One in its place keeps its neighbours apart, which could be one grapheme together.
      counted += 'x'
      beyond += link_characters - 1
    }
  }
  return countGraphemes(counted + text.slice(at)) + beyond
}

/** Why the network would not take this text, in words for its author; undefined when it would. */
export function whyTooLong(text: string, limits: TextLimits): string | undefined {
  const { max_characters, max_bytes } = limits
  if (max_characters !== null) {
    const characters = countCharacters(text, limits)
    if (characters > max_characters) return `The network takes ${max_characters} characters; this has ${characters}.`
  }
  const bytes = new TextEncoder().encode(text).byteLength
  if (bytes > max_bytes) return `The network takes ${max_bytes} bytes; this has ${bytes}.`
  return undefined
}

/** When a message can no longer be answered; null when it always can. */
export function replyDeadline(occurred_at: Date, { reply_window_seconds }: ChannelCapabilities): Date | null {
  return reply_window_seconds === null ? null : new Date(occurred_at.getTime() + reply_window_seconds * 1000)
}
