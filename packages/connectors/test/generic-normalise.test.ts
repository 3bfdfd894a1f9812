import { connectorBounce, connectorDeletion, connectorIgnored, connectorMessage } from '@parley/contracts'
import { MAX_TEXT_BYTES, MESSAGE_KINDS } from '@parley/domain'
import { connectedChannel } from '@parley/testing'
import fc from 'fast-check'
import { test } from 'tap'
import { MalformedPayload } from '../src/errors.ts'
import { genericConnector } from '../src/generic/index.ts'

const received_at = new Date('2026-01-15T10:00:00.000Z')
const BEARER = 'the-bearer-secret-of-a-shop'

function normalise(payload: unknown, at = received_at) {
  return genericConnector.normalise({ external_id: null }, payload, at)
}

function payload(data: Record<string, unknown> = {}, fields: Record<string, unknown> = {}) {
  return {
    type: 'message.received',
    ...fields,
    data: { external_id: 'r-1', kind: 'comment', text: 'Hello', created_at: '2026-01-15T09:28:11Z', ...data },
  }
}

function message(data: Record<string, unknown> = {}, fields: Record<string, unknown> = {}) {
  return connectorMessage.parse(normalise(payload(data, fields)))
}

test('until when an answer is taken is told in UTC, and not where nobody says', async t => {
  t.equal(message({ reply_until: '2026-01-16T10:00:00.5+01:00' }).reply_until, '2026-01-16T09:00:00.500Z')
  t.notOk('reply_until' in message())
})

test('a full event becomes a message', async t => {
  const given = payload({
    external_id: 'r-88121',
    thread_id: 'prod-42',
    parent_id: 'r-88120',
    kind: 'review',
    visibility: 'private',
    author: { platform_id: 'u-9', handle: 'ana', name: 'Ana Silva', avatar_url: 'https://cdn.example/a.png', more: 1 },
    permalink: 'https://shop.example/r/88121',
    subject: { id: 'prod-42', title: 'Kettle' },
    reply: { capable: true, context: 'opaque text' },
    metadata: { order: 'A-1' },
  })
  t.same(normalise(given), {
    type: 'message',
    external_id: 'r-88121',
    thread_key: 'prod-42',
    parent_external_id: 'r-88120',
    kind: 'review',
    visibility: 'private',
    author: {
      external_id: 'u-9',
      handle: 'ana',
      display_name: 'Ana Silva',
      avatar_url: 'https://cdn.example/a.png',
    },
    text: 'Hello',
    html: null,
    text_marks: [],
    subject: 'Kettle',
    permalink: 'https://shop.example/r/88121',
    occurred_at: '2026-01-15T09:28:11.000Z',
    version_at: '2026-01-15T09:28:11.000Z',
    from_us: false,
    send_token: null,
    reply_context: { context: 'opaque text' },
  })
})

test('what a message says of its post is told as far as it says it', async t => {
  const post = {
    ...{ external_id: 'p-1', text: 'Our new kettle', permalink: 'https://shop.example/p/1', from_us: true, likes: 7 },
    author: { platform_id: 'shop', handle: 'shop' },
    created_at: '2026-01-15T08:00:00+01:00',
  }
  t.same(message({ post }).post, {
    ...{ external_id: 'p-1', text: 'Our new kettle', permalink: 'https://shop.example/p/1', from_us: true },
    author: { external_id: 'shop', handle: 'shop', display_name: null },
    occurred_at: '2026-01-15T07:00:00.000Z',
    version_at: '2026-01-15T07:00:00.000Z',
  })
  t.match(message({ post: { ...post, edited_at: '2026-01-15T09:00:00Z' } }).post, {
    occurred_at: '2026-01-15T07:00:00.000Z',
    version_at: '2026-01-15T09:00:00.000Z',
  })
  t.same(message({ post: { external_id: 'p-1', text: '', author: null } }).post, { external_id: 'p-1' })
  t.equal(message({ post: null }).post, undefined)
})

test('what is left out gets its default', async t => {
  t.match(message(), {
    thread_key: 'r-1',
    parent_external_id: null,
    visibility: 'public',
    author: { handle: null, display_name: null, avatar_url: null },
    subject: null,
    permalink: null,
    reply_context: null,
  })
  t.equal(message({ thread_id: null }).thread_key, 'r-1')
  t.equal(message({ text: null, attachments: [{ url: 'https://a.example/x.jpg' }] }).text, '')
  const empty = message({
    author: { platform_id: 'ana', handle: '', name: '\0', avatar_url: null },
    subject: { title: '' },
    permalink: '',
    reply: { context: '' },
  })
  t.match(empty, { author: { handle: null, display_name: null }, subject: null, permalink: null, reply_context: null })
})

test('files are told apart by their id, else by their address, else by their place', async t => {
  const url = 'https://a.example/x.jpg'
  const given = {
    url,
    id: 'f-1',
    media_type: 'image/jpeg',
    filename: 'x\0.jpg',
    alt_text: 'A parcel',
    byte_size: 12,
    inline: true,
  }
  const { attachments } = message({ attachments: [given, { url }, { url: '\0' }] })
  const nothing = { media_type: null, filename: null, alt_text: null, byte_size: null, inline: false, blob_key: null }
  const { id: external_id, ...rest } = given
  t.same(attachments, [
    { ...rest, external_id, filename: 'x.jpg', blob_key: null },
    { ...nothing, external_id: url, url },
    { ...nothing, external_id: '2', url: null },
  ])
  t.notOk('attachments' in message({ attachments: [] }))
  t.equal(message({ attachments: [{ ...given, blob_key: 'stolen' }] }).attachments![0]!.blob_key, null)
})

test('messages without an author are by nobody in common', async t => {
  const first = message({ external_id: 'r-1' }).author.external_id
  t.not(first, message({ external_id: 'r-2', author: null }).author.external_id)
  t.equal(first, message({ external_id: 'r-1' }).author.external_id, 'the same message has the same author again')
})

test('text that Postgres does not take is cleaned, and the rest of it kept', async t => {
  t.equal(message({ text: 'a\u0000b\u0000' }).text, 'ab')
  t.equal(message({ text: 'a\ud800b' }).text, 'a\ufffdb')
  t.equal(message({ text: '\udc4b\ud83d' }).text, '\ufffd\ufffd', 'halves in the wrong order are two halves')
  const dirty = 'x\u0000\ud800'
  const cleaned = message({
    external_id: dirty,
    thread_id: dirty,
    parent_id: dirty,
    author: { platform_id: dirty, handle: dirty, name: dirty, avatar_url: dirty },
    text: dirty,
    subject: { title: dirty },
    permalink: dirty,
    reply: { context: dirty },
  })
  t.notMatch(JSON.stringify(cleaned), /\\u0000|\\ud800/)
  t.equal(cleaned.external_id, 'x\ufffd')
  const deletion = connectorDeletion.parse(normalise({ type: 'message.deleted', data: { external_id: dirty } }))
  t.equal(deletion.external_id, 'x\ufffd', 'a deletion finds the message it means')
})

test('what was done to a text is told, in a fixed order', async t => {
  const words = (data: Record<string, unknown>) => {
    const { text, html, text_marks } = message(data)
    return [text, html, text_marks]
  }
  t.strictSame(words({ text: 'Hello' }), ['Hello', null, []])
  t.strictSame(words({ text: 'a\ud800b\0' }), ['a\ufffdb', null, ['nul_removed', 'surrogates_replaced']])
  t.strictSame(words({ text: null, html: '<p>One<p>Two' }), ['One\n\nTwo', '<p>One</p><p>Two</p>', []])
  t.strictSame(words({ text: '', html: '<p>One' }), ['One', '<p>One</p>', []], 'an empty text is none')
  t.strictSame(words({ text: 'Own\0 words', html: '<p>Two<script>x</script>' }), [
    'Own words',
    '<p>Two</p>',
    ['nul_removed', 'html_cleaned'],
  ])
  t.strictSame(words({ text: 'x', html: '<!-- -->' }), ['x', null, []], 'HTML of nothing is none')
})

test('a text is kept whole up to a mebibyte, and cut above', async t => {
  const whole = 'ü'.repeat(MAX_TEXT_BYTES / 2)
  t.match(message({ text: whole }), { text: whole, text_marks: [] })
  t.match(message({ text: `${whole}!` }), { text: whole, text_marks: ['truncated'] })
  t.match(message({ text: null, html: `<p>${whole}!` }), { text: whole, text_marks: ['truncated'] })
})

test('text is composed, so that equal words are equal', async t => {
  t.equal(message({ text: 'cafe\u0301' }).text, 'caf\u00e9')
  t.equal(message({ external_id: 'A\u030a' }).external_id, '\u00c5')
})

test('right-to-left text, emoji and control characters are kept', async t => {
  for (const text of [
    'שלום \u200fעולם\u202e abc',
    '\u{1f468}\u200d\u{1f469}\u200d\u{1f467} \u{1f44b}\u{1f3fd} \u{1f1e9}\u{1f1ea}',
    'İstanbul ß ﷺ',
    'bell \u0007 escape \u001b[31m\r\n\ttab',
    '<script>alert(1)</script>',
    '\u200b\ufeff',
  ]) {
    t.equal(message({ text }).text, text)
  }
})

test('an edit is the newer version of its message', async t => {
  const created = message({}, { timestamp: '2026-01-15T09:28:12Z' })
  t.equal(created.version_at, '2026-01-15T09:28:12.000Z')
  const edited = message({ edited_at: '2026-01-15T09:40:00+01:00' }, { type: 'message.updated' })
  t.equal(edited.version_at, '2026-01-15T08:40:00.000Z', 'in UTC')
  t.equal(edited.occurred_at, created.occurred_at, 'it was said when it was said')
  const stamped = message({}, { type: 'message.updated', timestamp: '2026-01-15T09:50:00Z' })
  t.equal(stamped.version_at, '2026-01-15T09:50:00.000Z')
})

test('an update that does not say when it happened is newer than what came before', async t => {
  const updated = message({ text: 'corrected' }, { type: 'message.updated' })
  t.equal(updated.version_at, received_at.toISOString())
  t.ok(updated.version_at > message().version_at)
})

test('a stamp from the far future becomes the time of receipt', async t => {
  const far = message({ created_at: '2999-01-01T00:00:00Z', edited_at: '9999-12-31T23:59:59Z' })
  t.same([far.occurred_at, far.version_at], [received_at.toISOString(), received_at.toISOString()])
  const skewed = message({ created_at: '2026-01-15T10:09:59Z' })
  t.equal(skewed.occurred_at, '2026-01-15T10:09:59.000Z', 'clocks may differ by ten minutes')
  const deletion = normalise({
    type: 'message.deleted',
    data: { external_id: 'r-1', deleted_at: '2999-01-01T00:00:00Z' },
  })
  t.match(deletion, { version_at: received_at.toISOString() }, 'a tombstone would otherwise stand above every edit')
})

test('a deletion happened when it says, else when it was sent, else when it came', async t => {
  const deletion = (data: Record<string, unknown>, fields: Record<string, unknown> = {}) =>
    connectorDeletion.parse(normalise({ type: 'message.deleted', ...fields, data: { external_id: 'r-1', ...data } }))
  const timestamp = '2026-01-15T09:50:00Z'
  t.same(deletion({ deleted_at: '2026-01-15T09:45:00Z' }, { timestamp }), {
    type: 'deletion',
    external_id: 'r-1',
    version_at: '2026-01-15T09:45:00.000Z',
  })
  t.equal(deletion({ deleted_at: null }, { timestamp }).version_at, '2026-01-15T09:50:00.000Z')
  t.equal(deletion({}).version_at, received_at.toISOString())
})

test('a type that we do not know is ignored', async t => {
  for (const type of ['message.reaction', 'author.updated', 'message.Received', 'x', '__proto__']) {
    t.same(normalise({ type, data: 7 }), { type: 'ignored', reason: 'unknown_type' }, type)
  }
})

test('a stored payload that no longer fits is malformed, and says where', async t => {
  for (const stored of [null, 1, 'x', [], {}, { type: '' }, { type: 'message.received' }, payload({ kind: 'shout' })]) {
    t.throws(() => normalise(stored), MalformedPayload, JSON.stringify(stored))
  }
})

/** Text with everything in it that makes trouble. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc
    .array(fc.constantFrom('\u0000', '\ud83d', '\udc4b', '\u0301', 'e', '\u202e', ' '), { maxLength: 6 })
    .map(all => all.join('')),
)
const offset = fc.constantFrom('Z', '+00:00', '-00:00', '+14:00', '-12:00', '+23:59', '-23:59')
const instant = fc.oneof(
  fc
    .date({ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
    .map(date => date.toISOString()),
  fc
    .record({
      day: fc.constantFrom('0000-01-01', '0001-01-01', '1970-01-01', '2024-02-29', '2026-03-29', '9999-12-31'),
      time: fc.constantFrom('00:00', '23:59', '00:00:00', '23:59:59', '12:00:00.5', '12:00:00.123456789012345678901'),
      offset,
    })
    .map(parts => `${parts.day}T${parts.time}${parts.offset}`),
)
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })
const partly = { requiredKeys: [] as [] }
const event = fc.record(
  {
    id: text,
    timestamp: instant,
    type: fc.constantFrom('message.received', 'message.updated', 'message.deleted', 'message.reaction'),
    data: fc
      .record(
        {
          thread_id: optional(text),
          parent_id: optional(text),
          visibility: fc.constantFrom('public', 'private'),
          author: optional(
            fc
              .tuple(text, fc.record({ handle: optional(text), name: optional(text), avatar_url: text }, partly))
              .map(([platform_id, rest]) => ({ platform_id, ...rest })),
          ),
          html: optional(text),
          attachments: optional(
            fc.array(fc.record({ url: text, id: optional(text), filename: optional(text), alt_text: optional(text) }), {
              maxLength: 3,
            }),
          ),
          edited_at: optional(instant),
          deleted_at: optional(instant),
          permalink: optional(text),
          subject: optional(fc.record({ title: optional(text) }, partly)),
          reply: optional(fc.record({ context: optional(text) }, partly)),
          post: optional(
            fc.record(
              {
                external_id: text,
                text: optional(text),
                permalink: optional(text),
                author: optional(fc.record({ platform_id: text, handle: optional(text) }, partly)),
                created_at: optional(instant),
                edited_at: optional(instant),
              },
              { requiredKeys: ['external_id'] },
            ),
          ),
          metadata: fc.jsonValue({ maxDepth: 3 }),
        },
        partly,
      )
      .chain(rest =>
        fc
          .record({ external_id: text, kind: fc.constantFrom(...MESSAGE_KINDS), text, created_at: instant })
          .map(needed => ({ ...rest, ...needed })),
      ),
  },
  { requiredKeys: ['type', 'data'] },
)

test('whatever was let in can be described and stored', async t => {
  const channel = connectedChannel({ credentials: { bearer_secret: BEARER } })
  const seen = { message: 0, deletion: 0, bounce: 0, ignored: 0 }
  const check = (body: unknown) => {
    const rawBody = Buffer.from(JSON.stringify({ events: [body] }))
    const headers = { authorization: `Bearer ${BEARER}` }
    const batch = genericConnector.receive!(channel, { headers, rawBody, now: received_at })
    for (const { payload, dedup_key } of batch.events) {
      const described = normalise(payload)
      const schemas = {
        message: connectorMessage,
        deletion: connectorDeletion,
        bounce: connectorBounce,
        ignored: connectorIgnored,
      }
      schemas[described.type].parse(described)
      const text = JSON.stringify([described, dedup_key])
      if (/\\u0000|\\ud[89a-f]/.test(text)) throw new Error(`Postgres would refuse ${text}`)
      seen[described.type] += 1
    }
  }
  fc.assert(fc.property(event, check), { numRuns: 2000 })
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 4 }), check), { numRuns: 300 })
  t.ok(seen.message > 100 && seen.deletion > 100 && seen.ignored > 100, `enough was let in: ${JSON.stringify(seen)}`)
})
