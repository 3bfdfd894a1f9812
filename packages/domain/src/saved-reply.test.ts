import fc from 'fast-check'
import { test } from 'tap'
import { firstName, plainValue, searchKey } from './saved-reply.ts'

test('spellings of one word have one key', async t => {
  const words = [
    ['refund', 'REFUND', 'ｒｅｆｕｎｄ', 'Ｒefund', 're\u00adfund', 'refund\u200b'],
    ['iade', 'İADE', 'IADE', 'ıade', 'i\u0307ade', 'I\u0307ade', 'ｉade'],
    ['caf\u00e9', 'cafe\u0301', 'CAFÉ', 'CAFE\u0301'],
    ['straße', 'STRASSE', 'strasse', 'STRAẞE'],
    ['ΟΔΟΣ', 'οδος', 'οδοσ'],
    ['ﬁnd', 'find'],
    ['ガ', 'カ\u3099', 'ｶﾞ'],
  ]
  const keys = words.map(spellings => new Set(spellings.map(searchKey)))
  for (const [index, found] of keys.entries()) t.equal(found.size, 1, words[index]![0]!)
  t.equal(new Set(keys.flatMap(found => [...found])).size, words.length, 'different words stay different')
})

test('a key is its own key', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => searchKey(searchKey(text)) === searchKey(text)),
    { numRuns: 5_000 },
  )
})

test('a name goes into a sentence in one line', async t => {
  t.equal(plainValue(' Ana\n Silva\t'), 'Ana Silva')
  t.equal(plainValue('\u202eanA\u202c'), 'anA')
  t.equal(plainValue('{{ agent.name }}'), '{{ agent.name }}')
  t.equal(plainValue('שָׁלוֹם \u{1f468}\u200d\u{1f469}\u200d\u{1f467}'), 'שָׁלוֹם \u{1f468}\u200d\u{1f469}\u200d\u{1f467}')
  for (const nothing of [null, undefined, '', ' \n', '\u200b', '\u2066\u2069']) t.equal(plainValue(nothing), undefined)
  t.equal(Buffer.byteLength(plainValue('é'.repeat(10_000))!), 1_000)
})

test('a first name is the first word', async t => {
  t.equal(firstName('Ana Maria Silva'), 'Ana')
  t.equal(firstName('山田太郎'), '山田太郎')
  t.equal(firstName(undefined), undefined)
})
