/**
 * How something that leaves Parley stands: queued → sending → sent | rejected | unknown. A refusal that time can mend
 * puts it back to queued, a person takes it back from there (cancelled), and of what is unknown a person decides.
 */
export const SEND_STATES = ['queued', 'sending', 'sent', 'rejected', 'unknown', 'cancelled'] as const
export type SendState = (typeof SEND_STATES)[number]

/** received: came from the network · stored: an internal note · the others are of a reply. */
export const MESSAGE_STATES = ['received', 'stored', ...SEND_STATES] as const
export type MessageState = (typeof MESSAGE_STATES)[number]

export const MESSAGE_DIRECTIONS = ['inbound', 'outbound', 'internal'] as const
export type MessageDirection = (typeof MESSAGE_DIRECTIONS)[number]

export const AUTHOR_TYPES = ['contact', 'user', 'api_key', 'native', 'rule', 'expert'] as const
export type AuthorType = (typeof AUTHOR_TYPES)[number]

/** Only a person's answer ends a wait; what a program sends by its own key is help, not an answer. */
export function isHumanAuthor(author_type: AuthorType): boolean {
  return author_type === 'user' || author_type === 'native'
}

/**
 * Length as a reader counts it: a family emoji is one (UAX #29). Not by Intl.Segmenter: on Node 20 its time grows with
 * the square of the length, 8 s for 16 000 emoji.
 */
export { countGraphemes } from 'unicode-segmenter/grapheme'
