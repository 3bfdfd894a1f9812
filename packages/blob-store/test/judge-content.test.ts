import fc from 'fast-check'
import t from 'tap'
import { HEAD_BYTES, judgeContent, peek } from '../src/index.ts'

const judge = (content: string | Uint8Array, media_type: string | null = null, filename: string | null = null) =>
  judgeContent(typeof content === 'string' ? Buffer.from(content, 'latin1') : content, { media_type, filename })
const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le')

const PAGES: (string | Uint8Array)[] = [
  '<!DOCTYPE html><p>Hello',
  '  \r\n\t<HTML>',
  '\u00ef\u00bb\u00bf<script>alert(1)</script>',
  '<!-- a comment --><script>alert(1)</script>',
  '<iframe src="javascript:alert(1)">',
  '<svg onload=alert(1)>',
  '<svg/onload=alert(1)>',
  '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
  `<?xml version="1.0"?>${' '.repeat(2_000)}<a:svg xmlns:a="http://www.w3.org/2000/svg"/>`,
  '<?xml version="1.0"?><x><h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script></x>',
  utf16('<html><script>alert(1)</script>'),
  '<html>\u0000\u0001\u0002',
]

t.test('a page that could run scripts is refused, whatever it claims to be', async t => {
  for (const page of PAGES) {
    for (const claimed of [null, 'image/png', 'text/plain', 'application/pdf', 'text/html', 'nonsense']) {
      const verdict = await judge(page, claimed)
      t.match(verdict, { outcome: 'refused', reason: /page/ }, `${claimed} ${page.slice(0, 40)}`)
    }
  }
  for (const name of ['a.html', 'a.HTM', 'a.svg', 'a.svgz', 'a.xhtml', 'a.mht', 'a.html. .']) {
    t.match(await judge('Hello', 'text/plain', name), { outcome: 'refused', reason: /page/ }, name)
  }
})

t.test('a program is refused by its content and by its name', async t => {
  const programs = {
    Windows: 'MZ\u0090\u0000',
    Linux: '\u007fELF\u0002\u0001\u0001',
    macOS: '\u00cf\u00fa\u00ed\u00fe',
    Java: '\u00ca\u00fe\u00ba\u00be\u0000\u0000\u0000\u0034',
    WebAssembly: '\u0000asm\u0001\u0000\u0000\u0000',
    'a script': '#!/usr/bin/env node\n',
  }
  for (const [name, content] of Object.entries(programs)) {
    t.match(await judge(content, 'image/png', 'cat.png'), { outcome: 'refused', reason: /program/ }, name)
  }
  for (const name of [
    'a.exe',
    'cat.png.SCR',
    'a.js',
    'a.ps1',
    'a.lnk',
    'a.hta',
    'a.apk',
    'a.vbs',
    'a.bat ',
    'a.com.',
  ]) {
    t.match(await judge('Hello', 'text/plain', name), { outcome: 'refused', reason: /program/ }, name)
  }
})

t.test('what claims to be an image, sound or video has to be one', async t => {
  const gif = 'GIF89a\u0001\u0000\u0001\u0000'
  t.match(await judge(gif, 'image/png'), { outcome: 'accepted', media_type: 'image/gif' }, 'of another kind')
  t.match(await judge(gif, 'text/html'), { outcome: 'accepted', media_type: 'image/gif' })
  t.match(await judge(`OggS\u0000\u0002${'\u0000'.repeat(22)}OpusHead${'\u0000'.repeat(50)}`, 'audio/ogg'), {
    outcome: 'accepted',
  })
  for (const claimed of ['image/png', 'IMAGE/PNG; x=1', ' video/mp4', 'audio/mpeg']) {
    for (const content of ['Hello', '%PDF-1.7', 'PK\u0003\u0004', '\u0001\u0002\u0000']) {
      t.match(await judge(content, claimed), { outcome: 'refused', reason: /claims to be/ }, `${claimed} ${content}`)
    }
  }
})

t.test('everything else is kept as what it is, and never as what it claims to be', async t => {
  const kept: [string | Uint8Array, string | null, string][] = [
    ['%PDF-1.7\n', 'text/html', 'application/pdf'],
    ['Hello', 'text/html', 'text/plain'],
    ['a,b\n', 'text/csv; charset=utf-8', 'text/csv'],
    ['{"a":1}', 'application/json', 'application/json'],
    ['Dear team, see <html> and <script>', 'application/xhtml+xml', 'text/plain'],
    ['From: ana@example.com\n\n<html><body>Hello', 'message/rfc822', 'text/plain'],
    ['\u0001\u0002\u0000\u0003', 'application/pdf', 'application/octet-stream'],
    ['<?xml version="1.0"?><Invoice/>', null, 'application/xml'],
    [Buffer.from('Grüße'), 'application/javascript', 'text/plain'],
  ]
  for (const [content, claimed, media_type] of kept) {
    t.same(await judge(content, claimed, 'file'), { outcome: 'accepted', media_type }, `${claimed} ${content}`)
  }
  t.match(await judge(''), { outcome: 'refused', reason: /empty/ })
})

t.test('whatever the bytes, there is a verdict, and never one that a browser would run', async t => {
  const runs = /html|svg|javascript|xhtml/
  const starts = [
    '',
    'GIF89a',
    '%PDF-',
    'PK\u0003\u0004',
    '\u0089PNG\r\n\u001a\n',
    'RIFF',
    '<',
    '<?xml ',
    'ID3',
    '\u001f\u008b',
  ]
  const content = fc
    .tuple(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 300 }))
    .map(([start, rest]) => Buffer.concat([Buffer.from(start, 'latin1'), rest]))
  const claim = fc.constantFrom('text/html', 'image/svg+xml', 'application/javascript', null)
  await fc.assert(
    fc.asyncProperty(content, claim, async (bytes, claimed) => {
      const verdict = await judge(bytes, claimed)
      return verdict.outcome === 'refused' || !runs.test(verdict.media_type)
    }),
    { numRuns: 500 },
  )
  t.pass('500 contents')
})

t.test('looking at the start of a source takes nothing away from it, and it can be let go', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 })), fc.nat(200), async (chunks, count) => {
      const source = async function* () {
        yield* chunks
      }
      const all = Buffer.concat(chunks)
      const { head, whole } = await peek(source(), count)
      const read: Uint8Array[] = []
      for await (const chunk of whole) read.push(chunk)
      return Buffer.from(head).equals(all.subarray(0, count)) && Buffer.concat(read).equals(all)
    }),
  )
  let closed = 0
  const endless = async function* () {
    try {
      for (;;) yield Buffer.alloc(1_000)
    } finally {
      closed += 1
    }
  }
  const left = await peek(endless(), HEAD_BYTES)
  t.equal(left.head.byteLength, HEAD_BYTES)
  await left.close()
  t.equal(closed, 1)
  const begun = await peek(endless(), 1)
  for await (const _ of begun.whole) break
  t.equal(closed, 2)
})
