import { deepStrictEqual, equal, ok } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { splitGraphemes } from 'unicode-segmenter/grapheme'
import { type TextLimits, whyTooLong } from '../capabilities.ts'
import { findEntities } from './entities.ts'
import { splitText } from './split-text.ts'

const limits = (max_characters: number | null, fields: Partial<TextLimits> = {}): TextLimits => ({
  counting: 'graphemes',
  max_characters,
  max_bytes: 100_000,
  link_characters: null,
  ...fields,
})
const FAMILY = '\u{1f468}\u{1f3fd}\u200d\u{1f469}\u{1f3ff}\u200d\u{1f467}\u{1f3fb}\u200d\u{1f466}'

test('a text that fits is one part, to the letter', async t => {
  for (const text of ['Hello', '  Hello \n', FAMILY]) t.same(splitText(text, limits(20), 1), [text])
  t.equal(splitText('Hello', limits(20), 0), undefined)
})

test('a cut is made at the best place that costs no more parts', async t => {
  const examples: [string, number, string[]][] = [
    ['Hello Ana.\n\nIt is sent.\nBye.', 20, ['Hello Ana.', 'It is sent.\nBye.']],
    ['Hello Ana. It is sent.\nBye.', 25, ['Hello Ana. It is sent.', 'Bye.']],
    ['Hello Ana. It is on its way', 20, ['Hello Ana.', 'It is on its way']],
    ['Hello (Ana!) It is on its way', 20, ['Hello (Ana!)', 'It is on its way']],
    ['It is on its way to you', 20, ['It is on its way to', 'you']],
    ['It is on its way   to you', 16, ['It is on its way', 'to you']],
    ['Donaudampfschifffahrt', 10, ['Donaudampf', 'schifffahr', 't']],
    ['a Donaudampfschifffahrt', 10, ['a Donaudam', 'pfschifffa', 'hrt']],
    ['ご注文は発送されました。ありがとうございます。', 15, ['ご注文は発送されました。', 'ありがとうございます。']],
    ['「本日」「明日」「明後日」', 5, ['「本日」', '「明日」', '「明後日」']],
    ['日本、中国、韓国', 5, ['日本、', '中国、韓国']],
    ['สวัสดี\u200bครับ', 5, ['สวัสดี', 'ครับ']],
    ['Open the lid, e.g. with a J. Doe 2. Close it', 34, ['Open the lid, e.g. with a J. Doe', '2. Close it']],
    ['One.\n\nTwo.\nThree', 13, ['One.', 'Two.\nThree']],
    ['これは、ペン', 3, ['これ', 'は、', 'ペン']],
    ['彼「本」', 3, ['彼', '「本」']],
    ['one\u2029two', 4, ['one', 'two']],
    ['a\n\n\nb\r\nc', 3, ['a', 'b\r\nc']],
  ]
  for (const [text, max, parts] of examples) t.same(splitText(text, limits(max), 10), parts, `${parts[0]}`)
})

test('one part more is worth it when no sentence is torn then', async t => {
  const text = 'It is on its way. Would you like the number? Here it is.'
  t.same(splitText(text, limits(36), 10), ['It is on its way.', 'Would you like the number?', 'Here it is.'])
  t.same(splitText(text, limits(36), 2), ['It is on its way. Would you like the', 'number? Here it is.'])
})

test('what is never cut decides whether it can be done', async t => {
  const link = 'https://shop.example/orders/123456'
  t.same(splitText(`See ${link} please`, limits(34), 9), ['See', link, 'please'])
  t.equal(splitText(`See ${link} please`, limits(33), 9), undefined)
  const counted = limits(23, { counting: 'fediverse', link_characters: 23 })
  t.same(splitText(`See ${link} please`, counted, 9), ['See', link, 'please'])
  t.equal(splitText(`See ${link} please`, { ...counted, max_bytes: 30 }, 9), undefined)
  t.same(splitText('xxxx @ana.silva@b.example yyyy', limits(10, { counting: 'fediverse' }), 9), [
    'xxxx',
    '@ana.silva@b.example',
    'yyyy',
  ])
  t.equal(splitText('日本語ana.silva@b.example', limits(15), 9), undefined, 'a mailbox')
  t.equal(splitText(`${FAMILY}${FAMILY}`, limits(null, { max_bytes: 30 }), 9), undefined, 'a grapheme')
  t.same(splitText(`${FAMILY}${FAMILY}`, limits(1), 9), [FAMILY, FAMILY])
})

test('a cut makes no link and addresses nobody', async t => {
  t.same(splitText('aaaaa@ana', limits(5), 9), ['aaaa', 'a@ana'])
  t.same(splitText('aaaaa#tag', limits(5), 9), ['aaaa', 'a#tag'])
  const parts = splitText(`${'a'.repeat(17)}https://a.example`, limits(17), 9)!
  t.equal(parts.length, 3)
  for (const part of parts) t.notMatch(part, /^https:/)
})

const LINKS = ['https://shop.example/a?b=c', 'https://a.example/(x)', '@ana@social.example', 'http://b.example']
const word = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom(
    ...LINKS,
    FAMILY,
    FAMILY.repeat(30),
    'שָׁלוֹם',
    '\u2067مرحبا\u2069',
    'مَرْحَبًا،',
    '\u{1f1e9}\u{1f1ea}'.repeat(5),
  ),
  fc.constantFrom(
    'ご注文は発送されました。',
    '日本、中国「韓国」',
    'สวัสดีค่ะ',
    'नमस्ते',
    'etc.',
    '!',
    '\u200d',
    '\u0301',
    '@',
    'x'.repeat(60),
  ),
)
const gap = fc.constantFrom(' ', ' ', ' ', '\n', '\r\n\r\n', '\n\n', '   ', '', '\u200b', '\u3000', '\t')
const texts = fc
  .array(fc.tuple(word, gap), { minLength: 1, maxLength: 40 })
  .map(words => words.flat().join('').replaceAll('\0', '').toWellFormed())
  .filter(text => VISIBLE.test(text))
const VISIBLE = /[^\s\p{Cc}\p{Cf}\p{Cs}\u115f\u1160\u3164\uffa0\u2800]/u
const INVISIBLE = /^[\s\p{Cc}\p{Cf}\p{Cs}\u115f\u1160\u3164\uffa0\u2800]*$/u
const rules = fc.record({
  counting: fc.constantFrom('graphemes' as const, 'fediverse' as const),
  max_characters: fc.option(fc.integer({ min: 1, max: 80 })),
  max_bytes: fc.integer({ min: 30, max: 400 }),
  link_characters: fc.option(fc.integer({ min: 0, max: 30 })),
})

/** Where each part lies in the text. */
function placesOf(text: string, parts: string[]) {
  let from = 0
  return parts.map(part => {
    const start = text.indexOf(part, from)
    ok(start >= 0, 'a part of the text, after the one before')
    // The first place where it stands: what is passed over must be nothing to see.
    match(text.slice(from, start), INVISIBLE)
    from = start + part.length
    return { start, end: from }
  })
}
const match = (text: string, pattern: RegExp) => ok(pattern.test(text), JSON.stringify(text))

test('parts fit, lose nothing that can be seen, and are cut in no grapheme, link or mention', async () => {
  let split = 0
  fc.assert(
    fc.property(texts, rules, (text, limit) => {
      const parts = splitText(text, limit, 1_000)
      if (!parts) return
      split += 1
      for (const part of parts) {
        equal(whyTooLong(part, limit), undefined)
        match(part, VISIBLE)
      }
      const places = placesOf(text, parts)
      match(text.slice(places.at(-1)!.end), INVISIBLE)
      let edge = 0
      const edges = new Set([0])
      for (const grapheme of splitGraphemes(text)) {
        edge += grapheme.length
        edges.add(edge)
      }
      const entities = findEntities(text)
      for (const cut of places.flatMap(({ start, end }) => [start, end])) {
        ok(edges.has(cut), 'between two graphemes')
        ok(!entities.some(({ start, end }) => start < cut && cut < end), 'outside of links and mentions')
      }
      const inParts = parts.flatMap(part => findEntities(part).map(({ start, end }) => part.slice(start, end)))
      deepStrictEqual(
        inParts,
        entities.map(({ start, end }) => text.slice(start, end)),
        'the same links and mentions',
      )
    }),
    { numRuns: 2_000 },
  )
  ok(split > 500, `${split} texts were split`)
})

/** How many parts it takes to pack words of Latin script into lines. */
function packed(text: string, max: number): number {
  let parts = 1
  let line = ''
  for (const [, before, word] of text.matchAll(/(\s*)(\S+)/gu)) {
    const longer = line === '' ? word! : line + before + word
    if (longer.length > max) {
      parts += 1
      line = word!
    } else line = longer
  }
  return parts
}

test('there are as few parts as words allow, or one more, and none when that is too many', async () => {
  const latin = fc
    .array(
      fc.tuple(
        fc.string({ unit: fc.constantFrom(...'abcde.'), minLength: 1, maxLength: 12 }),
        fc.constantFrom(' ', '\n', '\n\n', '  '),
      ),
      {
        minLength: 1,
        maxLength: 80,
      },
    )
    .map(words => words.flat().join('').trim())
  fc.assert(
    fc.property(latin, fc.integer({ min: 12, max: 60 }), fc.nat(3), (text, max, more) => {
      const fewest = packed(text, max)
      const parts = splitText(text, limits(max), fewest + more)
      ok(parts && parts.length >= fewest && parts.length <= fewest + Math.min(more, 1))
      equal(splitText(text, limits(max), fewest - 1), undefined)
      // No word that fits is torn.
      deepStrictEqual(
        parts.flatMap(part => part.split(/\s+/)),
        text.split(/\s+/),
      )
    }),
    { numRuns: 1_000 },
  )
})

test('a long text is split at once, whatever is in it', async t => {
  // Anything that takes the square of the length would outlast the test's time.
  const units = [
    'a',
    'a ',
    'a. ',
    'a\n\n',
    '日',
    '日。',
    FAMILY,
    '@a',
    '@a@',
    '#a ',
    'https://a.bc/( ',
    '(',
    'e\u0301',
    '\u200b',
    'a@',
    'مرحبا ',
  ]
  for (const unit of units) {
    for (const counting of ['graphemes', 'fediverse'] as const) {
      const text = `x ${unit.repeat(100_000 / unit.length)} x`
      const parts = splitText(text, limits(300, { counting, link_characters: 23 }), 1_000_000)
      t.ok(parts === undefined || parts.length > 0, unit)
    }
  }
})
