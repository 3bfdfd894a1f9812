import fc from 'fast-check'
import { test } from 'tap'
import {
  type ChannelCapabilities,
  countCharacters,
  replyDeadline,
  type TextLimits,
  whyTooLong,
} from './capabilities.ts'
import { countGraphemes } from './message.ts'

const limits = (fields: Partial<TextLimits> = {}): TextLimits => ({
  counting: 'fediverse',
  max_characters: 500,
  max_bytes: 100_000,
  link_characters: 23,
  ...fields,
})

test('a link counts a fixed number, and of a mention its server does not count', async t => {
  const long = `https://shop.example/${'x'.repeat(300)}`
  const examples: [string, number][] = [
    ['', 0],
    ['Hello', 5],
    ['\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466}!', 2],
    ['http://a.example', 23],
    [`${long} ${long}.`, 48],
    [`x${long}`, 1 + countGraphemes(long)],
    ['http://intranet/', 16],
    ['@ana@social.example hi', 7],
    ['@ana hi', 7],
    ['ana@social.example', 18],
    ['https://social.example/@ana@other.example', 23],
  ]
  for (const [text, count] of examples) t.equal(countCharacters(text, limits()), count, text)
  t.equal(countCharacters(`${long} @ana@b.example`, limits({ counting: 'graphemes' })), countGraphemes(long) + 15)
  t.equal(countCharacters(`${long} @ana@b.example`, limits({ link_characters: null })), countGraphemes(long) + 5)
  t.equal(countCharacters(`${long}${' '}${long}`, limits({ link_characters: 0 })), 1)
})

test('what stands on both sides of a link never becomes one character', async t => {
  const link = '@ana@social.example'
  t.equal(countCharacters(`\u{1f1e9} ${link} \u{1f1ea}`, limits()), 8)
  const flags = '\u{1f1e9}https://a.example/ \u{1f1ea}'
  t.equal(countCharacters(flags, limits({ link_characters: 1 })), 4)
})

const words = fc.array(
  fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.webUrl({ validSchemes: ['https'] }),
    fc.constantFrom('@ana@b.example', '@', 'a.b'),
  ),
)

test('a text counts the sum of its words and the spaces between them', async () => {
  const lengths = fc.constantFrom(limits(), limits({ link_characters: null }), limits({ counting: 'graphemes' }))
  fc.assert(
    fc.property(words, lengths, (list, rules) => {
      const clean = list.map(word => word.replace(/\s/gu, '').replace(/^[\p{M}\u200d]+/u, ''))
      const sum = clean.reduce((total, word) => total + countCharacters(word, rules), 0)
      return countCharacters(clean.join(' '), rules) === sum + Math.max(0, clean.length - 1)
    }),
  )
})

test('what is too long is said in the words of the limit it goes beyond', async t => {
  const rules = limits({ counting: 'graphemes', max_characters: 3, max_bytes: 4 })
  t.equal(whyTooLong('abc', rules), undefined)
  t.equal(whyTooLong('abcd', rules), 'The network takes 3 characters; this has 4.')
  t.equal(whyTooLong('üüü', rules), 'The network takes 4 bytes; this has 6.')
  t.equal(whyTooLong('abcd', { ...rules, max_characters: null }), undefined)
  t.equal(whyTooLong('abcde', { ...rules, max_characters: null }), 'The network takes 4 bytes; this has 5.')
})

test('a message can be answered for as long as its network says', async t => {
  const at = new Date('2026-03-01T12:00:00Z')
  const channel = (reply_window_seconds: number | null) => ({ reply_window_seconds }) as ChannelCapabilities
  t.equal(replyDeadline(at, channel(null)), null)
  t.equal(replyDeadline(at, channel(86_400))?.toISOString(), '2026-03-02T12:00:00.000Z')
})
