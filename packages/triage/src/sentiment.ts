import type { Sentiment, Span } from '@parley/domain'
import { emojiEmotion } from 'emoji-emotion'
import { type LanguageTable, TABLES } from './tables.ts'
import { type Word, wordsOf } from './words.ts'

type Hit = { value: number; span: Span }

const LONGEST_PHRASE = 3
/** What a phrase of service is worth: as much as a strong word of the lexicon. */
const SERVICE_WORTH = 3
/** A negation reaches so many words far. */
const REACH = 4
/** "Not bad" is less than good, and "not good" less than bad. */
const NEGATED = -0.7
/** A complaint among thanks is a complaint. */
const WEIGHT_OF_COMPLAINTS = 1.5
/** The sum at which a score is 0.7. One mild word stays below the threshold, two or a strong one reach it. */
const SCALE = 4
const THRESHOLD = 0.4
const MOST_SPANS = 5
/** The same emoji any number of times. */
const MOST_OF_ONE = 3

/** How a text speaks of us: from words in its language, or that are worth the same in all of ours, and from emoji. */
export function judgeSentiment(
  speech: string,
  language: string | null,
): { sentiment: Sentiment; score: number; spans: Span[] } {
  const hits = [...wordHits(wordsOf(speech), lexiconFor(language)), ...emojiHits(speech)]
  const sum = (sign: number) => hits.reduce((all, { value }) => (value * sign > 0 ? all + value : all), 0)
  const total = sum(1) + WEIGHT_OF_COMPLAINTS * sum(-1)
  const score = Math.round((total / Math.hypot(total, SCALE)) * 100) / 100
  const sentiment = score <= -THRESHOLD ? 'complaint' : score >= THRESHOLD ? 'praise' : 'neutral'
  const sign = sentiment === 'complaint' ? -1 : 1
  const because = hits.filter(({ value }) => sentiment !== 'neutral' && value * sign > 0)
  const weightiest = because.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, MOST_SPANS)
  return { sentiment, score, spans: weightiest.map(({ span }) => span).sort(([a], [b]) => a - b) }
}

type Lexicon = { worth: Map<string, number>; negations: Set<string>; backwards: boolean }
const lexicons = new Map<string, Lexicon>()

function lexiconFor(language: string | null): Lexicon {
  const key = language ?? 'any'
  const known = lexicons.get(key)
  if (known) return known
  const table = language ? TABLES[language] : undefined
  const made = table ? lexiconOf(table) : language ? NONE : lexiconOfAll()
  lexicons.set(key, made)
  return made
}

const NONE: Lexicon = { worth: new Map(), negations: new Set(), backwards: false }

function lexiconOf({ lexicon, negations, negatesBackwards = false, ignored = [], service }: LanguageTable): Lexicon {
  const worth = new Map(Object.entries(lexicon()).map(([word, value]) => [word.toLowerCase(), value]))
  for (const word of [...negations, ...ignored]) worth.delete(word)
  for (const phrase of service.bad) worth.set(phrase, -SERVICE_WORTH)
  for (const phrase of service.good) worth.set(phrase, SERVICE_WORTH)
  return { worth, negations: new Set(negations), backwards: negatesBackwards }
}

/** For a text of which nobody knows the language: what is good, or bad, in every language that has the word. */
function lexiconOfAll(): Lexicon {
  const worth = new Map<string, number>()
  const disputed = new Set<string>()
  for (const table of Object.values(TABLES)) {
    for (const [word, value] of lexiconOf(table).worth) {
      const other = worth.get(word)
      if (other !== undefined && other > 0 !== value > 0) disputed.add(word)
      if (other === undefined || Math.abs(value) < Math.abs(other)) worth.set(word, value)
    }
  }
  const negations = Object.values(TABLES).flatMap(table => table.negations)
  for (const word of [...disputed, ...negations, ...Object.values(TABLES).flatMap(({ ignored = [] }) => ignored)])
    worth.delete(word)
  return { worth, negations: new Set(negations), backwards: false }
}

function wordHits(words: Word[], lexicon: Lexicon): Hit[] {
  const hits: Hit[] = []
  for (let place = 0; place < words.length; ) {
    const found = longestAt(words, place, lexicon)
    if (!found) {
      place += 1
      continue
    }
    const first = words[place]!
    const last = words[place + found.words - 1]!
    const negated = found.words === 1 && isNegated(words, place, lexicon)
    hits.push({
      value: negated ? found.value * NEGATED : found.value,
      span: [first.at, last.at + last.length - first.at],
    })
    place += found.words
  }
  return hits
}

function longestAt(words: Word[], place: number, { worth }: Lexicon): { value: number; words: number } | undefined {
  for (let length = Math.min(LONGEST_PHRASE, words.length - place); length > 0; length -= 1) {
    const phrase = words.slice(place, place + length)
    if (phrase.at(-1)!.clause !== phrase[0]!.clause) continue
    const value = worth.get(phrase.map(({ text }) => text).join(' '))
    if (value !== undefined) return { value, words: length }
  }
  return undefined
}

function isNegated(words: Word[], place: number, { negations, backwards }: Lexicon): boolean {
  const { clause } = words[place]!
  const around = words.slice(Math.max(0, place - REACH), place)
  if (backwards) around.push(...words.slice(place + 1, place + REACH))
  return around.some(word => word.clause === clause && negations.has(word.text))
}

const EMOJI = /\p{Extended_Pictographic}/gu
const EMOJI_WORTH = new Map(emojiEmotion.map(({ emoji, polarity }) => [firstOf(emoji), polarity]))
const FACE = /(?<!\S)(?:([:;=]['’]?-?[)\]DPp*]|<3+|\^\^|x[dD])|([:;=]['’]?-?[([/|]))(?!\S)/gu
const FACE_WORTH = 2

/** Skin, sex and company do not change what a face says. */
function firstOf(emoji: string): string {
  return String.fromCodePoint(emoji.codePointAt(0)!)
}

function emojiHits(speech: string): Hit[] {
  const seen = new Map<string, number>()
  const hits: Hit[] = []
  for (const { index, 0: emoji } of speech.matchAll(EMOJI)) {
    const value = EMOJI_WORTH.get(emoji) ?? 0
    const count = (seen.get(emoji) ?? 0) + 1
    seen.set(emoji, count)
    if (value !== 0 && count <= MOST_OF_ONE) hits.push({ value: value / count, span: [index, emoji.length] })
  }
  for (const { index, 0: face, 1: glad } of speech.matchAll(FACE)) {
    hits.push({ value: glad ? FACE_WORTH : -FACE_WORTH, span: [index, face.length] })
  }
  return hits
}
