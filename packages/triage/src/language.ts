import { eld } from 'eld/small'

/** Fewer words or letters could be of any language, or be nothing but names. */
const MIN_WORDS = 4
const MIN_LETTERS = 18
/** Other scripts are those of few languages. */
const MIN_OTHER_LETTERS = 4
/** Two languages as near as that cannot be told apart: the wrong ones of our sample lay within 0.002. */
const MIN_MARGIN = 0.01
/** From so many words on, both halves have to agree: else the text is in two languages. */
const HALVED_WORDS = 8

const WORD = /[\p{L}\p{M}]+/gu
const OTHER_LETTER = /(?!\p{Script=Latin})\p{L}/gu

/** BCP 47; null where a text is too short or too mixed to tell. Handles, links and emoji have been taken out of it. */
export function detectLanguage(speech: string): string | null {
  const words = [...speech.matchAll(WORD)].map(([word]) => word)
  const letters = words.reduce((sum, word) => sum + word.length, 0)
  const others = speech.match(OTHER_LETTER)?.length ?? 0
  const enough =
    others * 2 > letters ? letters >= MIN_OTHER_LETTERS : words.length >= MIN_WORDS || letters >= MIN_LETTERS
  if (!enough) return null
  const language = surely(words)
  if (!language || words.length < HALVED_WORDS) return language
  const middle = Math.ceil(words.length / 2)
  const halves = [surely(words.slice(0, middle)), surely(words.slice(middle))]
  return halves.every(half => half === null || half === language) ? language : null
}

function surely(words: string[]): string | null {
  const result = eld.detect(words.join(' '))
  if (!result.isReliable()) return null
  const [best = 0, second = 0] = Object.values(result.getScores()).sort((a, b) => b - a)
  return best - second >= MIN_MARGIN ? result.language : null
}
