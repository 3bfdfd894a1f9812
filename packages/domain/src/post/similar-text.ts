/** What a text says beyond that is not compared. */
const MAX_COMPARED = 4_000
const UNSAID = /[^\p{L}\p{M}\p{N}]+/gu
/** White space, and what changes how an emoji looks. */
const UNSEEN = /\ufe0e|\ufe0f|\u200d|\s|\p{Emoji_Modifier}/gu

/**
 * What texts have in common that differ only in case, white space, punctuation and emoji. A text of nothing but marks is
 * the set of them: hearts are alike however many there are, and are not what angry faces are.
 */
export function similarText(text: string): string {
  const folded = text.slice(0, MAX_COMPARED).normalize('NFKC').toLowerCase().replace(UNSEEN, '')
  const words = folded.replace(UNSAID, '')
  return words || [...new Set(folded)].sort().join('')
}
