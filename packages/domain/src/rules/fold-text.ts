import { searchKey } from '../saved-reply.ts'

/** A text as words are looked for in it: without case and accents. */
export const foldedText = (text: string): string =>
  searchKey(text)
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .normalize('NFC')

const wordsOf = (text: string) =>
  ` ${foldedText(text)
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean)
    .join(' ')} `

/** True where these words stand in the text, whole and one behind the other. Of no words, false. */
export function hasWords(text: string, words: string): boolean {
  const wanted = wordsOf(words)
  return wanted.trim() !== '' && wordsOf(text).includes(wanted)
}
