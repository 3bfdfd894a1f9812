import { deepStrictEqual, ok } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { splitGraphemes } from 'unicode-segmenter/grapheme'
import { cleanText, cutText, MAX_TEXT_BYTES } from './clean-text.ts'

const FAMILY = '\u{1f468}\u{1f3fd}\u200d\u{1f469}\u{1f3ff}\u200d\u{1f467}\u{1f3fb}\u200d\u{1f466}'

test('what people write is kept exactly', async t => {
  const texts = [
    'مَرْحَبًا بِكُمْ، أَيْنَ طَلَبِي؟ \u061c١٢٣',
    'שָׁלוֹם \u2067Order #42\u2069 \u200fabc\u200e, ok?',
    '\u202bהזמנה\u202c \u2066left\u2069 \u2068either\u2069',
    'नमस्ते, क्षत्रिय ज्ञान। मेरा ऑर्डर?',
    'สวัสดีค่ะ น้ำใจ ผู้ใหญ่',
    'Z\u0335\u0322\u0327a\u0337\u0328\u0301\u0300l\u0335\u0323\u0306\u0304g\u0338\u0331\u030b\u030fo\u0336\u0329\u0346'.normalize(
      'NFC',
    ),
    `${FAMILY} \u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466} \u{1f3f3}\ufe0f\u200d\u{1f308}`,
    '\u{1f1e9}\u{1f1ea}\u{1f1eb}\u{1f1f7} \u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}',
    '1\ufe0f\u20e3 #\ufe0f\u20e3 \u2764\ufe0f \u2764\ufe0e \u{1f44b}\u{1f3fd}',
    '한국어 日本語 中文 Việt Nam Ελληνικά Кириллица ﷺ ﬁ Å',
    'bell \u0007 escape \u001b[31m\r\n\ttab\u00a0\u3000\u200b\ufeff\u0085 \u007f',
    '  leading and trailing  \n\n',
    '',
  ]
  for (const text of texts) t.strictSame(cleanText(text), { text, marks: [] }, JSON.stringify(text))
})

test('what was done to a text is told', async t => {
  t.strictSame(cleanText('a\0b\0'), { text: 'ab', marks: ['nul_removed'] })
  t.strictSame(cleanText('a\ud800b'), { text: 'a\ufffdb', marks: ['surrogates_replaced'] })
  t.strictSame(cleanText('\udc4b\0\ud83d'), { text: '\ufffd\ufffd', marks: ['nul_removed', 'surrogates_replaced'] })
  t.strictSame(cleanText('cafe\u0301'), { text: 'caf\u00e9', marks: [] }, 'the same text in another spelling')
})

test('a text is whole up to its bound, and cut between graphemes above', async t => {
  for (const unit of ['a', 'ü', '日', FAMILY, '\u{1f1e9}\u{1f1ea}', 'क्षि', 'שָׁ', 'g\u0338\u0331\u030b', '\r\n']) {
    const fitting = Math.floor(MAX_TEXT_BYTES / Buffer.byteLength(unit))
    const whole = cleanText(unit.repeat(fitting))
    t.ok(whole.text === unit.repeat(fitting).normalize('NFC'), unit)
    t.strictSame(whole.marks, [], unit)
    const cut = cleanText(unit.repeat(fitting + 1000))
    t.strictSame(cut.marks, ['truncated'], unit)
    t.ok(cut.text.length % unit.normalize('NFC').length === 0, `${unit} is not cut`)
    t.ok(Buffer.byteLength(cut.text) <= MAX_TEXT_BYTES)
    t.ok(Buffer.byteLength(cut.text) > MAX_TEXT_BYTES - Buffer.byteLength(unit))
    t.ok(cleanText(cut.text).text === cut.text)
  }
})

test('one letter with more marks than there is room for keeps what fits', async t => {
  const { text, marks } = cleanText(`x${'\u0301'.repeat(1_000_000)}`)
  t.strictSame(marks, ['truncated'])
  t.equal(Buffer.byteLength(text), MAX_TEXT_BYTES - 1)
})

/** Text with everything in it that makes trouble. */
const text = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 5 }),
      fc.string({ unit: 'grapheme', maxLength: 5 }),
      fc.constantFrom('\0', '\ud83d', '\udc4b', '\u0301', '\u0327', 'e', '\u202e', '\u200d', FAMILY, '\u{1f1e9}', '\r'),
    ),
  )
  .map(parts => parts.join(''))

test('a clean text can be stored, and cleaning it again changes nothing', async () => {
  const check = (written: string) => {
    const { text } = cleanText(written)
    ok(!text.includes('\0') && text.isWellFormed() && text === text.normalize('NFC'))
    deepStrictEqual(cleanText(text), { text, marks: [] })
  }
  fc.assert(fc.property(text, check), { numRuns: 500 })
})

test('a cut leaves whole graphemes, as many as fit', async t => {
  const check = (written: string, max: number) => {
    const whole = cleanText(written).text
    const cut = cutText(whole, max)
    ok(whole.startsWith(cut) && Buffer.byteLength(cut) <= max)
    const graphemes = [...splitGraphemes(whole)]
    const kept = [...splitGraphemes(cut)]
    deepStrictEqual(kept, graphemes.slice(0, kept.length))
    const next = graphemes[kept.length]
    ok(next === undefined || Buffer.byteLength(cut + next) > max, 'as many as fit')
  }
  fc.assert(fc.property(text, fc.nat(40), check), { numRuns: 500 })
  t.equal(cutText(`ab${FAMILY}`, 10), 'ab')
  t.equal(cutText(FAMILY, 10), '')
  t.equal(
    cutText('<<<', 8, part => part.length * 4),
    '<<',
  )
})
