import type { Span } from '@parley/domain'
import { type LanguageTable, TABLES } from './tables.ts'
import { type Word, wordsOf } from './words.ts'

const MARKS = /[?？؟՞፧⁇⁈❓❔\u037e]/gu
/** Greek asks with a semicolon. */
const GREEK_MARK = /(?<=\p{Script=Greek}\s?);/gu
const SENTENCE = /[^.!?…\n。！？]+[.!?…\n。！？]?/gu
/** So many marks tell as much as all of them. */
const MOST_SPANS = 3

/** Where a text asks: its question marks, in any script, and sentences that begin like a question in its language. */
export function findQuestions(speech: string, language: string | null): Span[] {
  const marks = [...speech.matchAll(MARKS), ...(language === 'el' ? speech.matchAll(GREEK_MARK) : [])]
  const table = language ? TABLES[language] : undefined
  const openings = table ? openingsOf(speech, table) : []
  return [...openings, ...marks.map(({ index, 0: mark }): Span => [index, mark.length])].slice(0, MOST_SPANS)
}

function openingsOf(speech: string, table: LanguageTable): Span[] {
  return [...speech.matchAll(SENTENCE)].flatMap(({ index, 0: sentence }) => {
    // How nice this is!
    if (/[!！]$/.test(sentence)) return []
    const [first, second] = wordsOf(sentence)
    if (!first || !asks(first, second, table)) return []
    return [[index + first.at, first.length] as const]
  })
}

function asks({ text }: Word, second: Word | undefined, { asks, pairs = [] }: LanguageTable): boolean {
  if (asks.includes(text) || /-(vous|tu|il|elle|ils|on)$/.test(text)) return true
  return pairs.some(([firsts, seconds]) => firsts.includes(text) && second && seconds.includes(second.text))
}
