import { splitGraphemes } from 'unicode-segmenter/grapheme'
import { findEntities } from './entities.ts'

/** How good a place is to cut a text in front of a piece, from the worst to the best. */
export const CUT = { inWord: 0, character: 1, word: 2, sentence: 3, line: 4, paragraph: 5 } as const

/** A stretch of text with something to see in it. What lies between two of them is white space. */
export type Piece = { start: number; end: number; cut: number }

type Range = { start: number; end: number }

/** The words of a text, and single characters in scripts that are written without spaces. */
export function wordsOf(text: string, kept: Range[]): Piece[] {
  const within = rangesInOrder(kept)
  const pieces: Piece[] = []
  let open: Piece | undefined
  let before = ''
  for (const { grapheme, start, end } of graphemesOf(text)) {
    if (open && within(start)) open.end = end
    else if (BLANK.test(grapheme)) open = undefined
    else if (open && !mayBreak(before, grapheme)) open.end = end
    else {
      open = { start, end, cut: CUT.word }
      pieces.push(open)
    }
    before = grapheme
  }
  const visible = pieces.filter(({ start, end }) => VISIBLE.test(text.slice(start, end)))
  for (const [index, piece] of visible.entries()) piece.cut = cutBefore(text, visible[index - 1], piece)
  return visible
}

/** A word in its characters, for one that is longer than a part may be. */
export function charactersOf(text: string, word: Piece, kept: Range[]): Piece[] {
  const within = rangesInOrder(kept)
  let last: Piece = { ...word, end: word.start }
  const pieces = [last]
  let seen = false
  for (const { grapheme, start, end } of graphemesOf(text, word)) {
    const visible = VISIBLE.test(grapheme)
    if (seen && visible && !within(start) && !beginsEntity(text, start)) {
      last = { start, end, cut: CUT.inWord }
      pieces.push(last)
    }
    last.end = end
    seen ||= visible
  }
  return pieces
}

/** What is never cut: links, mentions, and addresses of mailboxes. */
export function unbreakable(text: string): Range[] {
  const mailboxes = [...text.matchAll(MAILBOX)].map(({ index, 0: { length } }) => ({
    start: index,
    end: index + length,
  }))
  return [...findEntities(text), ...mailboxes].sort((one, other) => one.start - other.start)
}

const MAILBOX = /(?<![a-zA-Z0-9._%+-])[a-zA-Z0-9._%+-]+@(?:[a-zA-Z0-9-]+\.)+[a-zA-Z0-9-]*[a-zA-Z0-9]/gu

// U+200B says where a script without spaces may be broken.
const BLANK = /^[\s\u200b]+$/
// What this version of Unicode does not know yet may be seen by a reader.
const VISIBLE = /[^\s\p{Cc}\p{Cf}\p{Cs}\u115f\u1160\u3164\uffa0\u2800]/u

/** Scripts in which a line may end after any character. */
const WIDE = /^[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}\p{scx=Yi}\uff01-\uff65]/u
// Never first on a line: closing punctuation, small kana, marks of repetition (the rules of kinsoku shori).
const NEVER_FIRST =
  /^[\p{Pe}\p{Pf}\p{Po}\p{Pd}\p{M}ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰ-ㇿー々〻ゝゞヽヾ〜～％]/u
const NEVER_LAST = /[\p{Ps}\p{Pi}@#＠＃$￥£€¥]$/u

const mayBreak = (before: string, after: string) =>
  (WIDE.test(before) || WIDE.test(after)) && !NEVER_FIRST.test(after) && !NEVER_LAST.test(before)

const LINE_ENDS = /\r\n|[\n\r\u2028]/g
const SENTENCE_END = /[.!?…。！？｡؟۔।॥]["'”’»)\]）】」』›]*$/
// A number in a list, an initial, an abbreviation such as z.B.
const NO_SENTENCE = /^[\p{Ps}\p{Pi}"']?(?:\p{N}{1,3}|(?:\p{L}\.)*\p{L})\.$/u
const PUNCTUATION_END = /[\p{Pe}\p{Pf}\p{Po}]$/u
/** Far more than closing quotes and brackets after one sentence. */
const TAIL = 8

function cutBefore(text: string, before: Piece | undefined, piece: Piece): number {
  if (!before) return CUT.paragraph
  const gap = text.slice(before.end, piece.start)
  const lines = gap.includes('\u2029') ? 2 : (gap.match(LINE_ENDS)?.length ?? 0)
  if (lines > 0) return lines > 1 ? CUT.paragraph : CUT.line
  const tail = text.slice(Math.max(before.start, before.end - TAIL), before.end)
  if (SENTENCE_END.test(tail) && !NO_SENTENCE.test(tail)) return CUT.sentence
  return gap !== '' || PUNCTUATION_END.test(tail) ? CUT.word : CUT.character
}

/** True where a part that began here would link or address what the whole does not. */
function beginsEntity(text: string, at: number): boolean {
  const ahead = text.slice(at, at + 'https://'.length)
  return (
    /^[@#＠＃][\p{L}\p{M}\p{N}_]/u.test(ahead) ||
    (/^https?:\/\//i.test(ahead) && /[a-z0-9@＠$#＃]/i.test(text[at - 1]!))
  )
}

function* graphemesOf(text: string, { start, end }: Range = { start: 0, end: text.length }) {
  let at = start
  for (const grapheme of splitGraphemes(text.slice(start, end))) {
    yield { grapheme, start: at, end: at + grapheme.length }
    at += grapheme.length
  }
}

/** Whether a place is inside one of the ranges; to be asked in rising order. */
function rangesInOrder(ranges: Range[]): (place: number) => boolean {
  let next = 0
  return place => {
    while (next < ranges.length && ranges[next]!.end <= place) next += 1
    const range = ranges[next]
    return range !== undefined && range.start < place
  }
}
