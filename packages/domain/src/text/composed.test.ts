import fc from 'fast-check'
import { test } from 'tap'
import { composed } from './composed.ts'

/** Of every kind that matters to the order: classes from lowest to highest, none, and one that is two marks. */
const MARKS = [
  ...['\u0334', '\u0338', '\u0327', '\u0301', '\u0307', '\u0323', '\u0345', '\u05b0', '\u05bc', '\u064e', '\u0651'],
  ...['\u094d', '\u093c', '\u0e38', '\u0e48', '\u0f71', '\u302e', '\u3099', '\u{1d165}', '\u{1d16e}', '\u{16ff0}'],
  ...['\u034f', '\u0903', '\u09be', '\u20e3', '\u0344', '\u0f73', '\u0340'],
]
const marks = (size: { minLength: number; maxLength: number }) =>
  fc.array(fc.constantFrom(...MARKS), size).map(all => all.join(''))
const base = fc.constantFrom('', 'a', 'e', '\u1ebf', '\u05e9', '\u0915', '\uac00', '\ud83d\ude00', '<', '\u09c7')

test('a text is composed as NFC says, however many marks a letter has', async t => {
  const part = fc.tuple(
    base,
    fc.oneof(marks({ minLength: 0, maxLength: 3 }), marks({ minLength: 256, maxLength: 400 })),
  )
  const written = fc.array(part, { minLength: 1, maxLength: 4 }).map(parts => parts.flat().join(''))
  fc.assert(
    fc.property(written, text => composed(text) === text.normalize('NFC')),
    { numRuns: 500 },
  )
  t.equal(composed('cafe\u0301'), 'caf\u00e9')
})

test('every mark of Unicode has its place', async t => {
  const every: string[] = []
  for (let code = 0; code <= 0x10_ffff; code += 1) {
    const character = String.fromCodePoint(code)
    if (/\p{M}/u.test(character)) every.push(character)
  }
  t.ok(every.length > 2000)
  const backwards = `a${every.toReversed().join('')}`
  t.equal(composed(backwards), backwards.normalize('NFC'))
})

test('nothing but a mark ever changes its place', async t => {
  for (let code = 0; code <= 0x10_ffff; code += 1) {
    const character = String.fromCodePoint(code)
    if (/\p{M}|\p{Cs}/u.test(character)) continue
    const first = [...character.normalize('NFD')][0]!
    if (`\u0345${first}\u0334`.normalize('NFD') !== `\u0345${first}\u0334`) t.fail(code.toString(16))
  }
})

test('as many marks as a body can hold are composed at once', async t => {
  // By `normalize` alone each of these outlasts the time a test has.
  const many = 300_000
  for (const [last, ...first] of ['\u0301\u0327', '\u0301\u0334', '\u05bc\u05b0']) {
    t.ok(composed(`x${`${last}${first}`.repeat(many)}`) === `x${first.join('').repeat(many)}${last!.repeat(many)}`)
  }
})
