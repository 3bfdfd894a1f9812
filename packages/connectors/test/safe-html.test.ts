import { deepStrictEqual, equal, match, ok } from 'node:assert/strict'
import { MAX_TEXT_BYTES } from '@parley/domain'
import fc from 'fast-check'
import { type DefaultTreeAdapterMap, parseFragment, serialize } from 'parse5'
import { test } from 'tap'
import { safeHtml } from '../src/text/safe-html.ts'

const ALLOWED: Record<string, string[]> = { a: ['href', 'rel', 'dir', 'lang'], br: [] }
for (const name of 'b bdi blockquote code del em i li ol p pre s span strong u ul'.split(' '))
  ALLOWED[name] = ['dir', 'lang']

/** What a browser would make of it: parse5 reads HTML as the standard says, and shares nothing with what is tested. */
function elementsOf(html: string): DefaultTreeAdapterMap['element'][] {
  const found: DefaultTreeAdapterMap['element'][] = []
  const queue: DefaultTreeAdapterMap['node'][] = [parseFragment(html)]
  for (const node of queue) {
    if ('tagName' in node) found.push(node)
    else if (node.nodeName !== '#text' && node.nodeName !== '#document-fragment') throw new Error(node.nodeName)
    if ('childNodes' in node) queue.push(...node.childNodes)
  }
  return found
}

function checkSafe(written: string) {
  const { html } = safeHtml(written)
  for (const { tagName, attrs } of elementsOf(html)) {
    const allowed = ALLOWED[tagName]
    ok(allowed, `${tagName} in ${html}`)
    for (const { name, value } of attrs) {
      ok(allowed.includes(name), `${name} in ${html}`)
      if (name === 'href') match(protocolOf(value), /^(https?|mailto):$/, html)
    }
  }
  return html
}

const protocolOf = (href: string) => new URL(href.replace(/^(https?:\/\/)[^/?#]*/i, '$1host')).protocol

/** The same tree again, so that what is written is what is read. */
function checkStable(html: string) {
  const again = safeHtml(html)
  deepStrictEqual([again.html, again.marks], [html, []])
  const read = serialize(parseFragment(html)).replaceAll('&nbsp;', '\u00a0')
  equal(read, html.replaceAll('&#824;', '\u0338'), 'a browser reads it as it is written')
  equal(html.normalize('NFC'), html)
}

const piece = fc.oneof(
  fc.constantFrom(
    ...'a b br p pre ul ol li span div td h1 blockquote code bdi em script style title textarea xmp plaintext noscript'
      .concat(' svg math mtext mglyph annotation-xml foreignobject iframe template select option table tr form img')
      .concat(' object body html head')
      .split(' ')
      .flatMap(name => [`<${name}>`, `</${name}>`, `<${name} `, `<${name}/onload=x>`, `<${name} dir=rtl>`]),
  ),
  fc
    .tuple(
      fc.constantFrom('a', 'p', 'img', 'span'),
      fc.constantFrom('href', 'HREF', 'onclick', 'style', 'dir', 'lang', 'class', 'id', 'srcdoc', 'xlink:href'),
      fc.constantFrom('"', "'", ''),
      fc.oneof(
        fc.constantFrom(
          'https://a.example/?x=1&y="2"',
          'javascript:alert(1)',
          ' \x01jav\tascript:x',
          'data:text/html,x',
        ),
        fc.constantFrom(
          'mailto:a@b.example',
          '//evil.example',
          'http:evil',
          'vbscript:x',
          'rtl',
          'ar-EG',
          '"><script>',
        ),
        fc.constantFrom('https://e\u0301.example/e\u0301', 'https:\u0338/x', '&#106;avascript:x', 'HTTPS://a/\u202e'),
        fc.string({ maxLength: 8 }),
      ),
    )
    .map(([tag, name, quote, value]) => `<${tag} ${name}=${quote}${value}${quote}>`),
  fc.constantFrom('<!--', '-->', '--!>', '<![CDATA[', ']]>', '<?', '<!doctype html>', '<', '>', '</', '&', '&lt;', '"'),
  fc.constantFrom(
    '\u0338',
    'e',
    '\u0301',
    '&#x301;',
    '&#0;',
    '&#13;',
    '\r\n',
    '\n',
    ' ',
    '\u00a0',
    '\0',
    '\ud800',
    '&amp',
  ),
  fc.string({ unit: 'binary', maxLength: 6 }),
)
const hostile = fc.array(piece, { maxLength: 25 }).map(pieces => pieces.join(''))

test('nothing comes out of any HTML but what is allowed, and it is read as it is written', async () => {
  const check = (written: string) => checkStable(checkSafe(written))
  fc.assert(fc.property(hostile, check), { numRuns: 2000 })
})

test('no way to hide a script brings it through', async t => {
  const vectors = [
    '<script>alert(1)</script>',
    '<scr<script>ipt>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '<svg/onload=alert(1)>',
    '"><iframe srcdoc="<script>alert(1)</script>">',
    '<a href="jav&#x09;ascript:alert(1)">x</a>',
    '<a href="&#1;javascript:alert(1)">x</a>',
    '<a href="java\nscript&colon;alert(1)">x</a>',
    '<a href=javascript&#58;alert(1)>x</a>',
    '<a href="  JaVaScRiPt:alert(1)">x</a>',
    '<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>',
    '<a href="vbscript:x" href="https://a.example">x</a>',
    '<a href="\\\\evil.example">x</a><a href="//evil.example">y</a><a href="/here">z</a>',
    '<p style="background:url(javascript:alert(1))" onclick=alert(1)>x</p>',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    '<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>',
    '<textarea></p><img src=x onerror=alert(1)></textarea>',
    '<xmp><img src=x onerror=alert(1)></xmp><plaintext><script>alert(1)',
    '<title><img src=x onerror=alert(1)></title>',
    '<!--><img src=x onerror=alert(1)>-->',
    '<template><script>alert(1)</script></template>',
    '<object data="javascript:alert(1)"><embed src=x><base href="https://evil.example/"><meta http-equiv=refresh>',
    '<a href="https://a.example/&quot; onmouseover=&quot;alert(1)">x</a>',
    '<b\u0338 onclick=alert(1)>x</b>\u0338',
    '<a target=_blank rel=opener ping=x href=https://a.example>x</a>',
  ]
  for (const written of vectors) {
    const html = checkSafe(written)
    checkStable(html)
    t.notMatch(
      elementsOf(html).flatMap(element => element.attrs.map(({ name }) => name)),
      [/^(on|style|src)/],
    )
  }
  t.strictSame(safeHtml('a<script>x</script>b<style>y</style>'), { html: 'ab', text: 'ab', marks: ['html_cleaned'] })
})

test('what messages are made of is kept', async t => {
  const rel = 'rel="nofollow noopener noreferrer ugc"'
  const kept: [string, string][] = [
    ['<p>Hi <b>there</b><p>two<br>three', '<p>Hi <b>there</b></p><p>two<br>three</p>'],
    ['<ul><li>a<li>b<ol><li>c</ol></ul>', '<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>'],
    ['<pre>\n<code>a  &lt; b\n c</code></pre>', '<pre><code>a  &lt; b\n c</code></pre>'],
    ['<blockquote><p>x</blockquote>y', '<blockquote><p>x</p></blockquote>y'],
    [
      '<P DIR=RTL lang=he>שלום \u2067x\u2069 <bdi>y</bdi></P>',
      '<p dir="rtl" lang="he">שלום \u2067x\u2069 <bdi>y</bdi></p>',
    ],
    ['<a href="https://a.example/?a=1&amp;b=ü">x</a>', `<a href="https://a.example/?a=1&amp;b=ü" ${rel}>x</a>`],
    ['<a href="ht\ttps://a.example/\n\rx">x</a>', `<a href="https://a.example/x" ${rel}>x</a>`],
    ['<a href=" mailto:a@b.example ">x</a>', `<a href="mailto:a@b.example" ${rel}>x</a>`],
    ['<p class=x id=y style="color:red" data-z=1>x</p>', '<p>x</p>'],
    ['<div>a</div>\n<div><br></div>\n<div>b</div>', 'a<br><br>b'],
    ['<table><tr><td>1<td>2<tr><td>3</table>', ' 1 2<br> 3'],
    ['1 < 2 & 3 > 2 "quoted"', '1 &lt; 2 &amp; 3 &gt; 2 "quoted"'],
  ]
  for (const [written, html] of kept) {
    t.strictSame(safeHtml(written).html, html)
    t.strictSame(safeHtml(written).marks, [], 'nothing is missed')
    checkStable(html)
  }
})

test('an address leads where it led', async t => {
  const [link] = elementsOf(safeHtml('<a href="https://a.example/cafe\u0301?q=%20">x</a>').html)
  t.equal(new URL(link!.attrs[0]!.value).href, new URL('https://a.example/cafe\u0301?q=%20').href)
})

test('HTML becomes lines of text', async t => {
  const lines: [string, string][] = [
    ['<p>One\n  line</p><p>two<br>three</p>', 'One line\n\ntwo\nthree'],
    ['To do:<ul><li>tea</li><li><p>milk</p></li></ul>Done', 'To do:\n- tea\n- milk\nDone'],
    ['<div>a</div><div>b</div><h1>c</h1>', 'a\nb\nc'],
    ['<pre>a  b\n  c</pre>d', 'a  b\n  c\n\nd'],
    ['&lt;b&gt; &amp;amp; caf&eacute; &#x1F44B;&#x1F3FD;', '<b> &amp; caf\u00e9 \u{1f44b}\u{1f3fd}'],
    ['<script>x</script><style>y</style><title>z</title>a', 'a'],
    ['so <img src=x alt="\u{1f600}"> <a href="https://a.example"><img></a>', 'so \u{1f600} https://a.example'],
    ['<a href="https://a.example/x">read <b>this</b></a>, <a>and</a> this', 'read this, and this'],
    ['a<b> </b>b <i> c</i>', 'a b c'],
    ['<br><p></p>  ', ''],
  ]
  for (const [html, text] of lines) t.equal(safeHtml(html).text, text, html)
})

test("a network's own way to write links is followed", async t => {
  const html =
    '<p><span class="h-card"><a href="https://m.example/@ana" class="u-url mention">@<span>ana</span></a></span> ' +
    '<a href="https://m.example/tags/tea" class="mention hashtag" rel="tag">#<span>tea</span></a> ' +
    '<a href="https://a.example/a/long/path"><span class="invisible">https://</span>' +
    '<span class="ellipsis">a.example/a/lo</span><span class="invisible">ng/path</span></a></p>'
  t.equal(safeHtml(html).text, '@ana #tea https://a.example/a/long/path')
  const linkText = ({ href, classes, text }: { href: string; classes: string[]; text: string }) =>
    classes.includes('hashtag') ? text : classes.includes('mention') ? '@ana@m.example' : href
  t.equal(safeHtml(html, { linkText }).text, '@ana@m.example #tea https://a.example/a/long/path')
  t.strictSame(safeHtml(html).marks, [])
})

test('HTML above the bound is cut to whole elements', async t => {
  const long = safeHtml(`<p><b>${'x'.repeat(MAX_TEXT_BYTES)}</b></p><p>more</p>`)
  t.equal(long.html.length, MAX_TEXT_BYTES)
  t.ok(long.html.endsWith('x</b></p>'))
  t.strictSame(long.marks, ['truncated'])
  t.ok(long.text.endsWith('x\n\nmore'), 'the text is cut by itself')
  const emoji = safeHtml(`<p>${'\u{1f44b}\u{1f3fd}'.repeat(MAX_TEXT_BYTES / 8)}</p>`)
  t.ok(emoji.html.endsWith('\u{1f44b}\u{1f3fd}</p>'))
  t.ok(Buffer.byteLength(emoji.html) <= MAX_TEXT_BYTES)
  checkStable(emoji.html)
  const tags = safeHtml('<i>a</i>'.repeat(MAX_TEXT_BYTES / 8 + 1))
  t.equal(tags.html, '<i>a</i>'.repeat(MAX_TEXT_BYTES / 8))
})

test('elements are nested no deeper than readers can follow', async t => {
  const { html, text, marks } = safeHtml(`${'<blockquote>'.repeat(1000)}x`)
  t.equal(elementsOf(html).length, 50)
  t.strictSame([text, marks], ['x', ['html_cleaned']])
  checkStable(html)
})

test('no HTML takes longer than its length asks for', async t => {
  const size = 1024 * 1024
  const units = [
    ...['<b>', '<b></i>', '<p>', '<ul><li>', '<a href=http://x/>', '<div>', '</p>', '<br>', '<pre>\n', '<td>', '<b '],
    ...['<a href="', '<!--', '<![CDATA[', '<script>', '<svg><style>', '&', '&#x301;&#x327;', ' \t\r', '\u0338<i>'],
  ]
  const attributes = `${'x=1 '.repeat(size / 4)} href="https://x${'\u0301\u0327'.repeat(size / 4)}" class="${' x'.repeat(size / 2)}"`
  for (const html of [...units.map(unit => unit.repeat(size / unit.length)), `<a ${attributes}>x</a>`]) {
    const before = process.cpuUsage()
    safeHtml(html)
    const { user, system } = process.cpuUsage(before)
    // 0.05 to 0.8 s; what takes the square of the length takes a minute and more.
    t.ok(user + system < 10_000_000, `${html.slice(0, 20)} took ${(user + system) / 1e6} s`)
  }
})
