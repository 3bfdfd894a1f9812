import { findEntities } from '../text/entities.ts'
import type { MessageContent } from './assessment.ts'

const HASHTAG = /(?<![\p{L}\p{M}\p{N}_])[#＃][\p{L}\p{N}_][\p{L}\p{M}\p{N}_]*/gu
/** Also handles in letters that no network of ours has: who writes one means somebody. */
const HANDLE = /(?<![\p{L}\p{M}\p{N}_])[@＠][\p{L}\p{M}\p{N}_]+/gu
const WORD = /\S+/gu

/**
 * The text with spaces in the place of what names or links and says nothing itself: handles, hashtags, links, mailboxes.
 * Every other character stays at its place.
 */
export function speechOf(text: string): string {
  const parts: string[] = []
  let past = 0
  for (const { start, end } of findEntities(text)) {
    parts.push(text.slice(past, start), ' '.repeat(end - start))
    past = end
  }
  parts.push(text.slice(past))
  const unlinked = parts.join('').replace(HASHTAG, spaces).replace(HANDLE, spaces)
  return unlinked.replace(WORD, word => (isAddress(word) ? spaces(word) : word))
}

const spaces = (text: string) => ' '.repeat(text.length)

/** A mailbox, or a link without its scheme. */
function isAddress(word: string): boolean {
  const at = word.indexOf('@')
  return /^(www\.|https?:)/i.test(word) || (at > 0 && word.indexOf('.', at) > at)
}

// Digits, # and * are emoji on a keycap alone; © ® ™ are signs of commerce unless they are asked to be emoji.
const EMOJI = /[#*0-9]\ufe0f?\u20e3|(?![©®™])\p{Extended_Pictographic}|\p{RI}|[©®™]\ufe0f/gu
/** What belongs to an emoji before it: skin tones, what joins them, variation, the tags of regional flags. */
const EMOJI_PARTS = /\p{Emoji_Modifier}|\u200d|\ufe0e|\ufe0f|\u20e3|[\u{e0020}-\u{e007f}]/gu
/** Faces of punctuation: :) ;-( :D <3 and their like, between white space. */
const FACES = /(?<!\S)(?:[:;=]['’]?-?[()[\]DPpOo/|*]|<3+|x[dD]|\^\^)(?!\S)/gu
const SAYS = /[\p{L}\p{N}]/u
/** A question mark behind a name asks; a full stop says nothing. */
const SAYS_MORE = /[^\s.,!…;:–-]/u

/** @param speech of `text`, as `speechOf` gives it */
export function messageContent(text: string, speech: string): MessageContent {
  const faceless = speech.replace(FACES, '')
  const without = faceless.replace(EMOJI, '')
  const said = without.replace(EMOJI_PARTS, '')
  if (SAYS.test(said)) return 'text'
  if (without.length < faceless.length || faceless.length < speech.length) return 'emoji_only'
  return speech !== text && !SAYS_MORE.test(said) ? 'mention_only' : 'text'
}
