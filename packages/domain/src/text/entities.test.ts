import { test } from 'tap'
import { findEntities } from './entities.ts'

const found = (text: string) => findEntities(text).map(({ start, end }) => text.slice(start, end))

test('a link has a scheme and a host, and ends before the punctuation of its sentence', async t => {
  const examples: [string, string[]][] = [
    ['See https://shop.example/orders/1.', ['https://shop.example/orders/1']],
    [
      '(https://shop.example/a_(b)_c), "http://shop.example?q=1&r=ü#top"!',
      ['https://shop.example/a_(b)_c', 'http://shop.example?q=1&r=ü#top'],
    ],
    ['https://a.example/x(y(z)w)v https://a.example/x(y', ['https://a.example/x(y(z)w)v', 'https://a.example/x']],
    ['https://a.example/x() https://a.example/x(y())', ['https://a.example/x', 'https://a.example/x']],
    ['https://a.example:8080/?a=b.', ['https://a.example:8080/?a=b']],
    ['https://a.example/x.?a=b https://a.example?', ['https://a.example/x', 'https://a.example']],
    ['HTTPS://A.EXAMPLE/X', ['HTTPS://A.EXAMPLE/X']],
    ['詳しくはhttps://example.comをご覧ください', ['https://example.com']],
    ['詳しくは「https://example.com/日本語」をご覧ください', ['https://example.com/日本語」をご覧ください']],
    [
      'https://президент.рф/a https://xn--d1abbgf6aiiy.xn--p1ai',
      ['https://президент.рф/a', 'https://xn--d1abbgf6aiiy.xn--p1ai'],
    ],
    ['https://intranet/x https://1.2.3.4/ http:// https://.example ftp://a.example', []],
    ['xhttps://a.example #https://a.example', []],
    [
      'https://a.example/\u{1f600}\u{1f600} <https://b.example/>',
      ['https://a.example/\u{1f600}\u{1f600}', 'https://b.example/'],
    ],
  ]
  for (const [text, links] of examples) t.same(found(text), links, text)
})

test('a mention begins no mailbox and no part of a link', async t => {
  const examples: [string, string[]][] = [
    ['@ana and @ana.silva@social.example, please', ['@ana', '@ana.silva@social.example']],
    ['ana@example.com, =@ana /@ana ü@ana @', []],
    ['.@ana@social.example. (@ben)', ['@ana@social.example', '@ben']],
    ['@ana. @ana-@b', ['@ana', '@ana', '@b']],
    [
      'https://social.example/@ana@other.example https://a.example/?u=x,@b@c.d',
      ['https://social.example/@ana@other.example', 'https://a.example/?u=x,@b@c.d'],
    ],
    ['@ana@münchen.example', ['@ana@münchen.example']],
    ['@ana@b.http://c.example', ['@ana@b.http']],
  ]
  for (const [text, entities] of examples) t.same(found(text), entities, text)
  t.match(findEntities('@ana.silva@social.example'), [{ type: 'mention', name: 'ana.silva' }])
})

test('a text of a megabyte is read at once, whatever is in it', async t => {
  // Anything that takes the square of the length would outlast the test's time.
  const units = [
    '@',
    '@a',
    '@a.',
    '@a@',
    'a.',
    '-',
    'https://',
    'https://a.',
    'https://a.bc/(',
    '(',
    '((',
    'https://a.bc?',
    '.com',
    'ü',
  ]
  for (const unit of units) {
    for (const before of ['', 'https://', 'https://a.bc/', '@']) {
      t.ok(findEntities(before + unit.repeat(1_000_000 / unit.length)).length >= 0, before + unit)
    }
  }
})
