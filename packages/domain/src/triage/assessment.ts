/** What a customer says of us, as far as words tell. */
export const SENTIMENTS = ['complaint', 'praise', 'neutral'] as const
export type Sentiment = (typeof SENTIMENTS)[number]

/**
 * text: something is said · mention_only: nothing but handles, hashtags and links · emoji_only: nothing but emoji, beside
 * those.
 */
export const MESSAGE_CONTENTS = ['text', 'mention_only', 'emoji_only'] as const
export type MessageContent = (typeof MESSAGE_CONTENTS)[number]

/** Where in a text the words stand that made it so: UTF-16 place and length. */
export type Span = readonly [at: number, length: number]

/** What a model makes of one text. */
export type Assessment = {
  content: MessageContent
  /** BCP 47; null where it cannot be told. */
  language: string | null
  question: boolean
  question_spans: Span[]
  sentiment: Sentiment
  /** From -1, nothing but complaint, to 1, nothing but praise. */
  score: number
  sentiment_spans: Span[]
}

/**
 * What judges texts. One stands in packages/triage; another one in its place needs another `name` or `version`, which are
 * kept with every result. `assess` is pure, never throws, and takes time that grows with the length at most.
 * `language` is what the customer is known to write in: it counts where the text alone does not tell.
 */
export type TriageModel = {
  name: string
  version: string
  assess(text: string, known: { language: string | null }): Assessment
}

/** So much of a text is looked at, in UTF-16 units: a message says what it wants at its beginning. */
export const TRIAGE_LENGTH = 8_000
