import fc from 'fast-check'
import t from 'tap'
import { DomainError } from '../errors.ts'
import { parseSearch, type SearchQuery, websearchText } from './query.ts'
import { SEARCH_FIELDS } from './tokens.ts'

const words = (text: string) => parseSearch(text).alternatives
const refusalOf = (text: string): string => {
  try {
    parseSearch(text)
  } catch (error) {
    if (error instanceof DomainError && error.code === 'validation_failed') return error.message
    throw error
  }
  return ''
}

t.test('words all have to be there, phrases too, and what has a minus must not', async t => {
  t.same(words('late  parcel'), [{ words: ['late', 'parcel'], excluded: [] }])
  t.same(words('"late parcel" -refund -"store credit" now'), [
    { words: ['late parcel', 'now'], excluded: ['refund', 'store credit'] },
  ])
  t.same(words('“late parcel”'), [{ words: ['late parcel'], excluded: [] }], 'as editors write quotation marks')
  t.same(words('e-mail it'), [{ words: ['e-mail', 'it'], excluded: [] }], 'a minus within a word is part of it')
  t.same(words('late"big parcel"'), [{ words: ['late', 'big parcel'], excluded: [] }])
})

t.test('"or" separates alternatives, and is a word within quotation marks', async t => {
  t.same(words('late parcel or refund OR voucher'), [
    { words: ['late', 'parcel'], excluded: [] },
    { words: ['refund'], excluded: [] },
    { words: ['voucher'], excluded: [] },
  ])
  t.same(words('"or"'), [{ words: ['or'], excluded: [] }])
  for (const text of ['or', 'or a', 'a or', 'a or or b', 'a or -b', '-a or b'])
    t.match(refusalOf(text), /each side of "or"/)
})

t.test('filters name their field, in any case, and take phrases', async t => {
  const query = parseSearch(
    'from:@ana FROM:"Ana López" channel:email inbox:"Big shop" status:open status:Pending tag:vip has:attachment',
  )
  t.same(query.from, ['ana', 'Ana López'])
  t.same([query.channel, query.inbox, query.tag], [['email'], ['Big shop'], ['vip']])
  t.same(query.status, ['open', 'pending'])
  t.equal(query.has_attachment, true)
  t.same(query.alternatives, [])
  t.same(parseSearch('assignee:me').assignee, ['me'])
})

t.test('days are whole days of UTC', async t => {
  const { after, before } = parseSearch('after:2026-02-01 before:2026-03-01')
  t.same([after, before], [new Date('2026-02-01T00:00:00Z'), new Date('2026-03-01T00:00:00Z')])
  for (const day of ['2026-02-30', '2026-2-1', 'yesterday', '1969-12-31', '2026-03-01T00:00:00Z', '99999-01-01']) {
    t.match(refusalOf(`before:${day}`), /a day since 1970/, day)
  }
  t.match(refusalOf('after:2026-03-01 before:2026-03-01'), /behind/)
  t.match(refusalOf('before:2026-03-01 before:2026-03-02'), /twice/)
})

t.test('what looks like a field and is none is a word', async t => {
  for (const text of ['12:30', 'https://example.com', 'foo:bar', 'fromage:x']) {
    t.same(words(text), [{ words: [text], excluded: [] }])
  }
  t.same(words('"from:ana"'), [{ words: ['from:ana'], excluded: [] }], 'a phrase is only words')
})

t.test('what cannot be meant is refused, with the reason', async t => {
  t.match(refusalOf('say "hello'), /not closed/)
  t.match(refusalOf('say hello"'), /not closed/)
  t.match(refusalOf('"'), /not closed/)
  t.match(refusalOf('"a" "'), /not closed/)
  for (const text of ['', ' ', '!!!', '""', ':*', '& | ! ( ) <->', '-']) t.match(refusalOf(text), /no word/, text)
  t.match(refusalOf('-refund'), /one that must/)
  t.match(refusalOf('-refund status:open'), /one that must/)
  t.match(refusalOf('from:'), /followed by/)
  t.match(refusalOf('from: ana'), /followed by/)
  t.match(refusalOf('-status:open'), /cannot be excluded/)
  t.match(refusalOf('status:done'), /status: is one of open/)
  t.match(refusalOf('has:money'), /attachment/)
  t.match(refusalOf('a '.repeat(51)), /at most 50/)
  t.match(refusalOf(`"${'a '.repeat(21)}"`), /at most 20/)
})

const fragment = fc.oneof(
  fc.constantFrom(
    '"',
    '-',
    'or',
    ' ',
    ':',
    '!',
    '(',
    '&',
    '<->',
    '\\',
    "'",
    '*',
    '“',
    ...SEARCH_FIELDS.map(f => `${f}:`),
  ),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom('open', 'attachment', '2026-03-01', 'refund', 'ana'),
)

t.test('any text is a search or a refusal with a reason', async t => {
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 30 }), parts => {
      const text = parts.join('')
      const reason = refusalOf(text)
      if (reason !== '') return /\.$/.test(reason)
      const web = websearchText(parseSearch(text))
      // Nothing of the text can end a phrase, so nothing of it is an operator of PostgreSQL.
      return web === null || (web.match(/"/g)!.length % 2 === 0 && /^-?"[^"]+"( (or )?-?"[^"]+")*$/.test(web))
    }),
    { numRuns: 3_000 },
  )
  t.pass()
})

t.test('what was understood, written out again, is understood the same', async t => {
  const word = fc.stringMatching(/^[a-zé0-9]{1,8}( [a-z]{1,5})?$/).filter(text => text !== 'or')
  const alternative = fc.record({
    words: fc.array(word, { minLength: 1, maxLength: 3 }),
    excluded: fc.array(word, { maxLength: 2 }),
  })
  const query = fc.record({
    alternatives: fc.array(alternative, { maxLength: 3 }),
    from: fc.array(word, { minLength: 1, maxLength: 2 }),
    status: fc.array(fc.constantFrom('open' as const, 'spam' as const), { maxLength: 2 }),
  })
  fc.assert(
    fc.property(query, wanted => {
      const filters = [...wanted.from.map(name => `from:"${name}"`), ...wanted.status.map(status => `status:${status}`)]
      const web = websearchText({ alternatives: wanted.alternatives } as SearchQuery)
      const { alternatives, from, status } = parseSearch([web ?? '', ...filters].join(' '))
      t.same({ alternatives, from, status }, wanted)
    }),
    { numRuns: 300 },
  )
})
