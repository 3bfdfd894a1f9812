/** A word of a text with its place. A clause ends at punctuation, and where somebody says but. */
export type Word = { text: string; at: number; length: number; clause: number }

const TOKEN = /[\p{L}\p{M}\p{N}]+(?:['’-][\p{L}\p{M}\p{N}]+)*['’]?|[.!?,;:…()\n¿¡؟。！？、，]/gu
const STARTS_WORD = /^[\p{L}\p{M}\p{N}]/u

const BUT = new Set(['but', 'aber', 'mais', 'pero', 'però', 'mas', 'maar', 'ale', 'sondern', 'sino'])

/** Lower-cased, apostrophes made straight. */
export function wordsOf(speech: string): Word[] {
  const words: Word[] = []
  let clause = 0
  for (const { index, 0: token } of speech.matchAll(TOKEN)) {
    const text = token.toLowerCase().replaceAll('’', "'")
    const isWord = STARTS_WORD.test(token)
    if (!isWord || BUT.has(text)) clause += 1
    if (isWord) words.push({ text, at: index, length: token.length, clause })
  }
  return words
}
