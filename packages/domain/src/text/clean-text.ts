import { splitGraphemes } from 'unicode-segmenter/grapheme'
import { composed } from './composed.ts'

/** What was done to a text so that it could be stored and shown, in this order. */
export const TEXT_MARKS = ['nul_removed', 'surrogates_replaced', 'html_cleaned', 'truncated'] as const
export type TextMark = (typeof TEXT_MARKS)[number]

/** The longest text that is stored whole, in bytes of UTF-8. */
export const MAX_TEXT_BYTES = 1024 * 1024

export type CleanText = { text: string; marks: TextMark[] }

/**
 * The text as it is stored: without NUL, halves of surrogate pairs replaced by U+FFFD, in NFC, and cut between two
 * graphemes where it is longer than MAX_TEXT_BYTES. All else is kept as it came, white space and control characters too.
 */
export function cleanText(written: string): CleanText {
  const { text: kept, marks } = cleanCharacters(written)
  const whole = composed(kept)
  // A single grapheme can be longer than that, by half a million marks on one letter.
  const text = cutText(whole, MAX_TEXT_BYTES) || firstParts(whole, MAX_TEXT_BYTES, Buffer.byteLength)
  return { text, marks: text === whole ? marks : [...marks, 'truncated'] }
}

/** Only what Postgres has no text for is taken out. For markup, which normalising and cutting would break. */
export function cleanCharacters(written: string): CleanText {
  const marks: TextMark[] = []
  const withoutNul = written.replaceAll('\u0000', '')
  if (withoutNul !== written) marks.push('nul_removed')
  if (!withoutNul.isWellFormed()) marks.push('surrogates_replaced')
  return { text: withoutNul.toWellFormed(), marks }
}

/** The graphemes from the beginning whose sizes, bytes of UTF-8 or what `sizeOf` says, sum up to no more than `max`. */
export function cutText(text: string, max: number, sizeOf: (part: string) => number = Buffer.byteLength): string {
  return sizeOf(text) <= max ? text : firstParts(splitGraphemes(text), max, sizeOf)
}

function firstParts(parts: Iterable<string>, max: number, sizeOf: (part: string) => number): string {
  let fitting = ''
  let size = 0
  for (const part of parts) {
    size += sizeOf(part)
    if (size > max) break
    fitting += part
  }
  return fitting
}
