import { countCharacters, type TextLimits, whyTooLong } from '../capabilities.ts'
import { CUT, charactersOf, type Piece, unbreakable, wordsOf } from './pieces.ts'

/**
 * A text in parts that each fit into the limits, in their order: as few as there can be without tearing a word that
 * fits, or one more where no sentence is torn then. Cut before a paragraph if possible, else a line, a sentence, a word,
 * and inside a word only if it is too long for any part; never inside a grapheme, a link or an address. White space at
 * the cuts is left out and nothing else. Time grows with the length.
 * @returns undefined when that takes more than `maxParts`, or something that is never cut fits into none
 */
export function splitText(text: string, limits: TextLimits, maxParts: number): string[] | undefined {
  if (maxParts >= 1 && !whyTooLong(text, limits)) return [text]
  const measured = measure(text, fittingPieces(text, limits), limits)
  const reach = reachOf(measured, limits)
  const fewest = countParts(reach, maxParts)
  if (fewest === undefined) return undefined
  const pieces = measured.map(({ piece }) => piece)
  const tears = (cuts: number[]) => cuts.some(index => pieces[index]!.cut < CUT.sentence)
  let cuts = chooseCuts(pieces, reach, fewest)
  if (tears(cuts) && fewest < Math.min(maxParts, pieces.length)) {
    const more = chooseCuts(pieces, reach, fewest + 1)
    if (!tears(more)) cuts = more
  }
  return [0, ...cuts].map((first, part) => {
    const last = (cuts[part] ?? pieces.length) - 1
    return text.slice(pieces[first]!.start, pieces[last]!.end)
  })
}

/** Words, and the characters of those that fit into no part. */
function fittingPieces(text: string, limits: TextLimits): Piece[] {
  const kept = unbreakable(text)
  let first = 0
  return wordsOf(text, kept).flatMap(word => {
    if (!whyTooLong(text.slice(word.start, word.end), limits)) return [word]
    while (first < kept.length && kept[first]!.end <= word.start) first += 1
    let last = first
    while (last < kept.length && kept[last]!.start < word.end) last += 1
    return charactersOf(text, word, kept.slice(first, last))
  })
}

type Size = { characters: number; bytes: number }
/** A piece with the size of the text up to its beginning, and up to its end. */
type Measured = { piece: Piece; from: Size; to: Size }

/** Sizes of neighbours add up: no grapheme, link or mention reaches from one piece into the next. */
function measure(text: string, pieces: Piece[], limits: TextLimits): Measured[] {
  let at = 0
  let size: Size = { characters: 0, bytes: 0 }
  const upTo = (end: number): Size => {
    const more = text.slice(at, end)
    at = end
    size = {
      characters: size.characters + countCharacters(more, limits),
      bytes: size.bytes + Buffer.byteLength(more),
    }
    return size
  }
  return pieces.map(piece => ({ piece, from: upTo(piece.start), to: upTo(piece.end) }))
}

/** For each piece the one after the last that fits into a part beginning with it: itself when even that does not fit. */
function reachOf(measured: Measured[], { max_characters, max_bytes }: TextLimits): number[] {
  let past = 0
  return measured.map(({ from }, first) => {
    const fits = ({ to }: Measured) =>
      to.characters - from.characters <= (max_characters ?? Number.POSITIVE_INFINITY) &&
      to.bytes - from.bytes <= max_bytes
    past = Math.max(past, first)
    while (past < measured.length && fits(measured[past]!)) past += 1
    return past
  })
}

function countParts(reach: number[], maxParts: number): number | undefined {
  if (reach.length === 0 || reach.some((past, first) => past === first)) return undefined
  let parts = 0
  for (let first = 0; first < reach.length; first = reach[first]!) {
    parts += 1
    if (parts > maxParts) return undefined
  }
  return parts
}

/** The pieces that begin a part, for that many parts: each the best, then latest place that leaves room for the rest. */
function chooseCuts(pieces: Piece[], reach: number[], parts: number): number[] {
  const earliest = earliestCuts(reach, parts)
  const cuts: number[] = []
  for (let part = 1; part < parts; part += 1) {
    const last = cuts.at(-1) ?? 0
    const latest = Math.min(reach[last]!, pieces.length - (parts - part))
    let best = latest
    for (let index = latest - 1; index >= Math.max(earliest[part]!, last + 1); index -= 1) {
      if (pieces[index]!.cut > pieces[best]!.cut) best = index
    }
    cuts.push(best)
  }
  return cuts
}

/** By part, the first piece that it may begin with, so that the parts from it on hold the rest. */
function earliestCuts(reach: number[], parts: number): number[] {
  const earliest: number[] = []
  let first = reach.length
  for (let part = parts - 1; part > 0; part -= 1) {
    const until = first
    while (first > 0 && reach[first - 1]! >= until) first -= 1
    earliest[part] = first
  }
  return earliest
}
