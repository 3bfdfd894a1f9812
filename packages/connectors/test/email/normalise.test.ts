import { has } from '@parley/testing'
import fc from 'fast-check'
import t from 'tap'
import { emailConnector } from '../../src/email/index.ts'
import { described, fixture, message, RECEIVED, stored, withHeaders } from './mails.ts'

const TOKEN = 'abcdefghijklmnopqrstuvwxyz'
const OURS = '01890a5d-ac96-774b-bcce-b302099a8057'

t.test('a mail is a private message of its sender', async t => {
  const mail = await message('plain')
  has(t, mail, {
    external_id: 'a1@customer.example',
    thread_key: 'a1@customer.example',
    parent_external_id: null,
    kind: 'email',
    visibility: 'private',
    text: 'It leaks since yesterday.',
    html: null,
    quoted_text: null,
    subject: 'My kettle leaks 😞',
    occurred_at: '2026-03-02T10:00:01.000Z',
    version_at: '2026-03-02T09:00:00.000Z',
    from_us: false,
    automatic: false,
    sender_verified: null,
  })
  t.same(mail.author, {
    external_id: 'ana@customer.example',
    handle: 'Ana@Customer.example',
    display_name: 'Ana Silva',
    avatar_url: null,
  })
  t.same(mail.thread_hints?.participants, ['ana@customer.example', 'bo@customer.example'], 'ours is left out')
  has(t, mail.reply_context, {
    message_id: 'a1@customer.example',
    to: [{ address: 'Ana@Customer.example', name: 'Ana Silva' }],
    cc: [{ address: 'bo@customer.example', name: 'Bo' }],
  })
})

t.test('an answer names its thread, the token of its conversation and what it answers', async t => {
  const mail = await message('gmail-reply')
  t.equal(mail.thread_key, 'a1@customer.example', 'the first it refers to that is no id of ours for the thread')
  t.equal(mail.parent_external_id, `${OURS}.parley@brand.example`)
  t.same(mail.thread_hints?.reply_tokens, [TOKEN], 'whatever case the address has')
  t.same(mail.thread_hints?.references, [`${OURS}.parley@brand.example`, 'a1@customer.example'], 'the last first')
})

t.test('what a mail repeats is folded away, and nothing is lost', async t => {
  const gmail = await message('gmail-reply')
  t.equal(gmail.text, 'Thank you, it works now!')
  t.match(gmail.quoted_text, /^On Mon, Mar 2[\s\S]*Please descale it\.\n> Regards/)
  t.match(gmail.html, /Please descale it/, 'the HTML is whole')
  t.notMatch(gmail.html, /script|tracker|img/, 'and safe')

  const german = await message('outlook-german')
  t.equal(german.text, 'Danke sehr!')
  t.match(german.quoted_text, /^Von: Brand[\s\S]*2. März 2026[\s\S]*Bitte entkalken\.$/)

  const between = await message('inline-answers')
  t.match(
    between.text,
    /Which model\?[\s\S]*The red one\.[\s\S]*Yesterday\./,
    'answers between the lines stay with them',
  )
  t.equal(between.quoted_text, null)

  const own = await message('delimiter', { reply_delimiter: '##- Please write above this line -##' })
  t.match(own.text, /^I still wait\./)
  t.notMatch(own.text, /It was sent/)
  t.match(own.quoted_text, /It was sent/)
})

t.test('HTML without a text part is read as text', async t => {
  const mail = await message('html-only')
  t.equal(mail.text, 'Where is it?\n\nAna')
  t.equal(mail.html, '<p>Where is <b>it</b>?</p><p>Ana</p>')
})

t.test('files are kept by their bytes; their names lead nowhere', async t => {
  const kept: Buffer[] = []
  const keep = async (bytes: Buffer) => `key-${kept.push(bytes)}`
  const payload = await stored(fixture('attachments'), {}, keep)
  const event = emailConnector.normalise({ external_id: null }, payload, RECEIVED)
  t.equal(event.type, 'message')
  t.same(event.type === 'message' && event.attachments, [
    {
      external_id: '1.2',
      url: null,
      blob_key: 'key-1',
      media_type: 'image/png',
      filename: 'pic.png',
      alt_text: null,
      byte_size: 8,
      inline: true,
    },
    {
      external_id: '2',
      url: null,
      blob_key: 'key-2',
      media_type: 'application/pdf',
      filename: 'bill.pdf',
      alt_text: null,
      byte_size: 9,
      inline: false,
    },
  ])
  t.equal(kept[1]?.toString(), '%PDF-1.4\n')
  const { attachments } = await message('attachments')
  t.same(
    attachments?.map(file => file.blob_key),
    [null, null],
    'where no bytes are kept, the file is named all the same',
  )
})

t.test('a mail without an id has the same one wherever it is found', async t => {
  const first = await message('no-message-id')
  t.match(first.external_id, /^sha256\.[0-9a-f]{64}$/)
  t.equal((await message('no-message-id')).external_id, first.external_id)
  t.equal(first.version_at, first.occurred_at, 'a date that is none is not believed')
})

t.test('what cannot be read here says so', async t => {
  has(t, await message('no-text'), { text: 'This e-mail could not be read. It is in the mailbox.', subject: 'Broken' })
  has(t, await message('encrypted'), { text: 'This e-mail is encrypted. It is in the mailbox.', subject: 'Secret' })
})

t.test('names and subjects are one line and mean what they show', async t => {
  const mail = await message('strange-names')
  has(t, mail, {
    author: { external_id: 'mallory@evil.example', handle: 'mallory@evil.example' },
    subject: 'one Bcc: x  two',
    parent_external_id: 'p1@customer.example',
    thread_key: 'r1@customer.example',
    reply_context: { to: [{ address: 'elsewhere@evil.example', name: 'Elsewhere' }] },
  })
  t.same(mail.thread_hints?.references, ['p1@customer.example', 'p2@customer.example', 'r2', 'r1@customer.example'])
})

t.test('our own mail that comes back is no message', async t => {
  t.equal((await described(fixture('loop'))).type, 'ignored')
})

t.test('what is in the Sent folder is ours: an echo of a reply, or an answer from another program', async t => {
  const echo = await described(
    withHeaders(
      'From: support@brand.example',
      `Message-ID: <${OURS}.parley@brand.example>`,
      'To: ana@customer.example',
    ).subarray('From: Ana <ana@customer.example>\r\nTo: support@brand.example\r\n'.length),
    {},
    true,
  )
  has(t, echo, { type: 'message', from_us: true, send_token: OURS, external_id: `${OURS}.parley@brand.example` })
  const native = await described(withHeaders('In-Reply-To: <a1@customer.example>'), {}, true)
  has(t, native, { type: 'message', from_us: true, send_token: null, parent_external_id: 'a1@customer.example' })
})

t.test('a program is known by its headers', async t => {
  const automatic = [
    'Auto-Submitted: auto-replied',
    'Auto-Submitted: auto-generated (holiday)',
    'Return-Path: <>',
    'Content-Type: multipart/report; report-type=disposition-notification; boundary=x',
    'Content-Type: multipart/report; report-type=feedback-report; boundary=x',
    'X-Autoreply: yes',
    'X-Autorespond: Holiday',
    'X-Vacation: yes',
    'Auto-Response: yes',
    'X-Auto-Reply-From: x',
    'X-Failed-Recipients: x@y.example',
    'Precedence: bulk',
    'Precedence: junk',
    'Precedence: auto_reply',
    'Precedence: list',
    'List-Unsubscribe: <mailto:leave@news.example>',
    'Feedback-ID: 1:2:3',
  ]
  const people = [
    'Auto-Submitted: no',
    'Return-Path: <ana@customer.example>',
    'X-Auto-Response-Suppress: All',
    'Precedence: first-class',
    'List-Post: <mailto:group@customer.example>\r\nList-Unsubscribe: <mailto:leave@customer.example>\r\nPrecedence: list',
  ]
  for (const [headers, expected] of [
    ...automatic.map(line => [line, true] as const),
    ...people.map(line => [line, false] as const),
  ])
    has(t, await described(withHeaders(headers)), { type: 'message', automatic: expected }, headers)
  for (const address of [
    'no-reply@shop.example',
    'noreply@x.example',
    'donotreply@x.example',
    'MAILER-DAEMON@x.example',
    'postmaster@x.example',
  ]) {
    const raw = Buffer.from(`From: ${address}\r\nTo: support@brand.example\r\nMessage-ID: <q@x>\r\n\r\nHello\r\n`)
    has(t, await described(raw), { automatic: true }, address)
  }
})

t.test('a delivery report about a reply of ours is a bounce of it', async t => {
  const bounce = { type: 'bounce', external_id: `${OURS}.parley@brand.example`, send_token: OURS }
  has(t, await described(fixture('dsn-failed')), {
    ...bounce,
    recipient: 'nobody@customer.example',
    reason: '5.1.1 550 5.1.1 No such user',
    permanent: true,
  })
  has(t, await described(fixture('dsn-delayed')), { ...bounce, recipient: 'slow@customer.example', permanent: false })
  has(t, await described(fixture('bounce-plain')), { ...bounce, recipient: 'nobody@customer.example', permanent: true })
  has(t, await described(fixture('dsn-of-others')), { type: 'message', automatic: true }, 'about what we did not send')
})

t.test('a sender is verified by the topmost result of our own server alone', async t => {
  const of = async (authserv_id: string | null, ...results: string[]) => {
    const raw = withHeaders(...results.map(result => `Authentication-Results: ${result}`))
    const event = await described(raw, { authserv_id })
    return event.type === 'message' ? event.sender_verified : undefined
  }
  const pass = 'mx.brand.example; spf=pass smtp.mailfrom=x.example; dmarc=pass (p=reject) header.from=customer.example'
  const fail = 'mx.brand.example 1; dkim=pass header.d=evil.example; dmarc=fail header.from=customer.example'
  t.equal(await of('mx.brand.example', pass), true)
  t.equal(await of('MX.brand.example', pass), true)
  t.equal(await of('mx.brand.example', fail), false)
  t.equal(await of('mx.brand.example', fail, pass), false, 'the one below came with the mail')
  t.equal(await of('mx.brand.example', `mx.evil.example; dmarc=pass header.from=customer.example`), null)
  t.equal(await of(null, pass), null, 'nobody is trusted before the server is known')
  t.equal(await of('mx.brand.example', 'mx.brand.example; spf=pass; dkim=pass header.d=evil.example'), null)
  t.equal(await of('mx.brand.example', 'mx.brand.example; dmarc=pass header.from=evil.example'), null)
  t.equal(await of('mx.brand.example', 'mx.brand.example; spf=none (x; dmarc=pass header.from=customer.example)'), null)
  t.equal(await of('mx.brand.example', 'mx.brand.example.evil.example; dmarc=pass'), null)
})

t.test('only a vouched-for sender may continue a conversation by its subject', async t => {
  const pass = 'Authentication-Results: mx.brand.example; dmarc=pass header.from=customer.example'
  const of = async (subject: string, ...headers: string[]) => {
    const raw = Buffer.from(
      withHeaders(...headers)
        .toString()
        .replace('Subject: Order', `Subject: ${subject}`),
    )
    const event = await described(raw, { authserv_id: 'mx.brand.example' })
    return event.type === 'message' ? event.thread_hints?.subject : undefined
  }
  t.equal(await of('Re: [External] My kettle leaks', pass), 'my kettle leaks')
  t.equal(await of('Re: My kettle leaks'), null)
  t.equal(await of('My kettle leaks', pass), null, 'it does not look like an answer')
  t.equal(await of('Re: Question', pass), null, 'too common')
})

t.test('whatever bytes come, they become a message', async t => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), fc.boolean(), async (bytes, withHead) => {
      const raw = withHead ? Buffer.concat([fixture('gmail-reply').subarray(0, 900), bytes]) : Buffer.from(bytes)
      const event = await described(raw)
      if (event.type === 'message' && (!event.external_id || !event.thread_key)) throw new Error('no id')
      if (JSON.stringify(event).includes('\\u0000')) throw new Error('NUL')
    }),
    { numRuns: 150 },
  )
  t.pass('for 150 of them')
})
