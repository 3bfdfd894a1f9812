import fc from 'fast-check'
import { test } from 'tap'
import { safeFileName } from './file-name.ts'

test('a name is the last part of a path, without what could deceive a reader or a file system', async t => {
  const names: [string | null | undefined, string | null][] = [
    ['photo.jpg', 'photo.jpg'],
    ['Grüße an Zoë 😀.pdf', 'Grüße an Zoë 😀.pdf'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\Windows\\system32\\cmd.exe', 'cmd.exe'],
    ['a\r\nb\0c.txt', 'abc.txt'],
    ['photo\u202egpj.exe', 'photogpj.exe'],
    ['\u2067a\u2069\u200f.pdf', 'a.pdf'],
    ['a<b>:"c|?*.txt', 'a_b___c___.txt'],
    ['.htaccess', 'htaccess'],
    ['report.pdf. . ', 'report.pdf'],
    ['CON', '_CON'],
    ['nul.txt', '_nul.txt'],
    ['a \u00a0\t b', 'a b'],
    ['e\u0301.txt', '\u00e9.txt'],
    ['\ud800.txt', '\ufffd.txt'],
    ['', null],
    [null, null],
    [undefined, null],
    ['..', null],
    ['/', null],
    ['\u202e\u200b', null],
  ]
  for (const [given, safe] of names) t.equal(safeFileName(given), safe, JSON.stringify(given))
})

test('a long name is cut and keeps its ending', async t => {
  const name = safeFileName(`${'ä😀'.repeat(300)}.jpeg`)!
  t.ok(Buffer.byteLength(name) <= 200)
  t.ok(Buffer.byteLength(name) > 190)
  t.match(name, /\.jpeg$/)
  t.ok(name.isWellFormed())
  t.equal(safeFileName(`a.${'b'.repeat(900)}`)!.length, 200, 'an ending of any length is none')
})

test('whatever the name, it is safe, and safe names stay as they are', async t => {
  const text = fc.string({ unit: 'binary', maxLength: 400 })
  fc.assert(
    fc.property(text, given => {
      const name = safeFileName(given)
      if (name === null) return true
      const clean = !/[\p{Cc}\p{Cf}\p{Cs}<>:"|?*\\/]/u.test(name) && !/^[.\s]|[.\s]$/u.test(name)
      return clean && Buffer.byteLength(name) <= 200 && safeFileName(name) === name
    }),
    { numRuns: 2_000 },
  )
  t.pass('2000 names')
})
