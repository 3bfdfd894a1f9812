import { createServer, type Socket } from 'node:net'
import { connectedChannel, connectorContext, has } from '@parley/testing'
import t, { type Test } from 'tap'
import { EgressBlocked } from '../../src/egress.ts'
import { emailConnector } from '../../src/email/index.ts'
import type { OutgoingReply } from '../../src/index.ts'
import { credentials, mailSettings } from './mails.ts'

const REPLY = '01890a5d-ac96-774b-bcce-b302099a8057'
const NOW = new Date('2026-03-02T10:00:00Z')
const context = connectorContext({ now: () => NOW })

type Script = Partial<Record<'EHLO' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'END', string | ((line: string) => string)>>

/** A mail server that answers as it is told, and what it was given. An empty answer ends the connection. */
async function mailServer(t: Test, script: Script = {}) {
  const mails: string[] = []
  const usual: Script = {
    EHLO: '250-mx\r\n250-SIZE 100000\r\n250 AUTH PLAIN XOAUTH2',
    AUTH: '235 welcome',
    DATA: '354 go on',
    END: '250 taken',
  }
  const answer = (socket: Socket, step: keyof Script, line: string) => {
    const said = script[step] ?? usual[step] ?? '250 fine'
    const text = typeof said === 'string' ? said : said(line)
    if (text === '') socket.destroy()
    else socket.write(`${text}\r\n`)
  }
  const server = createServer(socket => {
    let data: string | undefined
    let rest = ''
    socket.on('error', () => {})
    socket.write('220 mx\r\n')
    socket.on('data', chunk => {
      rest += chunk
      for (let end = rest.indexOf('\r\n'); end !== -1; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end)
        rest = rest.slice(end + 2)
        if (data !== undefined && line !== '.') data += `${line}\r\n`
        else if (data !== undefined) {
          mails.push(data)
          data = undefined
          answer(socket, 'END', line)
        } else {
          const verb = line.slice(0, 4).toUpperCase() as keyof Script
          if (verb === 'DATA' && !script.DATA) data = ''
          answer(socket, verb, line)
        }
      }
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  return { mails, smtp: { host: '127.0.0.1', port, secure: false } }
}

function channelOf(smtp: Record<string, unknown>, fields: Record<string, unknown> = {}) {
  return connectedChannel({ settings: mailSettings({ smtp, save_sent: 'never', ...fields }), credentials })
}

function reply(context: Record<string, unknown> = {}, fields: Partial<OutgoingReply> = {}): OutgoingReply {
  const reply_context = {
    message_id: 'a1@customer.example',
    references: [],
    subject: 'My kettle leaks',
    to: [{ address: 'ana@customer.example', name: 'Ana' }],
    cc: [{ address: 'bo@customer.example', name: 'Bo' }],
    ...context,
  }
  return {
    message_id: REPLY,
    text: 'Please descale it.',
    visibility: 'private',
    thread_key: 'a1@customer.example',
    queued_at: NOW,
    in_reply_to: { external_id: 'a1', reply_context, visibility: 'private', from_us: false },
    attachments: [],
    ...fields,
  }
}

async function sendTo(t: Test, script: Script, fields: Record<string, unknown> = {}) {
  const { mails, smtp } = await mailServer(t, script)
  const channel = channelOf(smtp, fields)
  const prepared = await emailConnector.prepare!(channel, reply(), context)
  const outcome = await emailConnector.send!(channel, prepared, context).catch((error: Error) => ({
    outcome: error.name,
  }))
  return { mails, outcome, prepared }
}

const textOf = (prepared: Record<string, unknown>) => Buffer.from(prepared.raw as string, 'base64').toString()

t.test('the outcome of a send is as certain as what the server said', async t => {
  const cases: [string, Script, string][] = [
    ['taken', {}, 'sent'],
    ['the sender is refused', { MAIL: '550 5.7.1 not you' }, 'rejected'],
    ['the only recipient is refused', { RCPT: '550 5.1.1 no such user' }, 'rejected'],
    ['the only recipient has to wait', { RCPT: '451 4.7.1 greylisted' }, 'retry'],
    ['a quota', { MAIL: '421 4.7.0 too many today' }, 'retry'],
    ['refused after the text', { END: '552 5.3.4 too big' }, 'rejected'],
    ['put off after the text', { END: '451 4.3.0 try again' }, 'retry'],
    ['the text is not wanted', { DATA: '554 5.7.1 no' }, 'rejected'],
    ['gone before the text', { DATA: '' }, 'retry'],
    ['gone before anything', { EHLO: '' }, 'retry'],
    ['gone after the text', { END: '' }, 'unknown'],
    ['a wrong password', { AUTH: '535 5.7.8 wrong' }, 'ChannelAuthError'],
    ['a login that does not work today', { AUTH: '454 4.7.0 later' }, 'retry'],
  ]
  for (const [name, script, expected] of cases) {
    const { outcome } = await sendTo(t, script)
    t.equal(outcome.outcome, expected, `${name}: ${JSON.stringify(outcome)}`)
  }
})

t.test('where some recipients are refused, it matters who', async t => {
  const refuse = (whom: string) => (line: string) => (line.includes(whom) ? '550 no such user' : '250 fine')
  const all = { reply_to_all: true }
  has(t, (await sendTo(t, { RCPT: refuse('bo@') }, all)).outcome, { outcome: 'sent' }, 'a copy is only a copy')
  const { outcome } = await sendTo(t, { RCPT: refuse('ana@') }, all)
  has(t, outcome, { outcome: 'unknown', reason: /not for ana@customer\.example/ })
})

t.test('a mail that was prepared is sent as it is, byte by byte', async t => {
  const { mails, prepared } = await sendTo(t, {})
  t.equal(mails[0], textOf(prepared))
  t.match(textOf(prepared), `Message-ID: <${REPLY}.parley@brand.example>`)
  t.equal(emailConnector.expectedId!(prepared), `${REPLY}.parley@brand.example`)
})

t.test('an answer goes to its writer, or to all, and refers to what it answers', async t => {
  const prepare = (context: Record<string, unknown>, settings: Record<string, unknown> = {}) =>
    emailConnector.prepare!(channelOf({ host: '127.0.0.1' }, settings), reply(context), connectorContext())
  const one = await prepare({})
  t.same(one.envelope, { from: 'support@brand.example', to: ['ana@customer.example'] })
  t.notMatch(textOf(one), /bo@customer|^bcc:/im)
  const all = await prepare({}, { reply_to_all: true })
  t.same((all.envelope as { to: string[] }).to, ['ana@customer.example', 'bo@customer.example'])
  t.match(textOf(await prepare({ subject: 'RE: My kettle leaks' })), /^Subject: RE: My kettle leaks\r$/m)
  const long = Array.from({ length: 40 }, (_, index) => `r${index}@customer.example`)
  const references = /^References: ([\s\S]*?)\r\n(?! )/m.exec(textOf(await prepare({ references: long })))![1]!
  t.equal(references.split(/\s+/).length, 21, 'the first and the last')
  t.match(references, /^<r0@customer\.example>[\s\S]*<a1@customer\.example>$/)
  const injected = textOf(
    await prepare({
      subject: 'x\r\nBcc: mallory@evil.example',
      to: [{ address: 'ana@customer.example', name: 'A\r\nBcc: m@evil.example' }],
    }),
  )
  t.notMatch(injected, /^Bcc:/im)
})

t.test('what no mail can be made of is refused', async t => {
  const refused = (given: OutgoingReply, facts: Record<string, unknown> = {}) =>
    t.rejects(emailConnector.prepare!({ ...channelOf({ host: '127.0.0.1' }), network_facts: facts }, given, context), {
      name: 'SendRefused',
    })
  await refused(reply({}, { in_reply_to: null }))
  await refused(reply({ to: [] }))
  await refused(reply({}, { visibility: 'public' }))
  await refused(reply({}, { text: ' ' }))
  const file = {
    id: 'f',
    media_type: 'image/png',
    filename: 'x.png',
    alt_text: null,
    byte_size: 90_000,
    read: async () => Buffer.alloc(90_000),
  }
  await refused(reply({}, { attachments: [file] }), { smtp_max_bytes: 100_000 })
})

t.test('a token logs in, and a new one is fetched for one that is not taken any more', async t => {
  const seen: string[] = []
  const { mails, smtp } = await mailServer(t, {
    AUTH: line => {
      const token = /Bearer ([\w-]+)/.exec(Buffer.from(line.split(' ')[2]!, 'base64').toString())![1]!
      seen.push(token)
      return token === 'fresh' ? '235 welcome' : '535 5.7.8 expired'
    },
  })
  const oauth = { token_url: 'https://login.example/token', client_id: 'c', client_secret: 's', refresh_token: 'first' }
  const session = { access_token: 'stale', refresh_token: 'second', expires_at: '2026-03-02T11:00:00.000Z' }
  const channel = { ...channelOf(smtp), credentials: { user: 'support', oauth }, session }
  const forms: string[] = []
  const withTokens = connectorContext({
    now: () => NOW,
    fetch: async (_url, init) => {
      forms.push(String(init?.body))
      return Response.json({ access_token: 'fresh', expires_in: 3600 })
    },
    renewSession: async (stale, renew) => (stale(session) ? renew(session) : session),
  })
  const prepared = await emailConnector.prepare!(channel, reply(), withTokens)
  has(t, await emailConnector.send!(channel, prepared, withTokens), { outcome: 'sent' })
  t.same([seen, mails.length], [['stale', 'fresh'], 1])
  t.match(forms, [/refresh_token=second/], 'by the latest refresh token')
})

t.test('a server outside what may be called is not called', async t => {
  const { mails, smtp } = await mailServer(t)
  const channel = channelOf({ ...smtp, host: 'mail.brand.example' })
  const prepared = await emailConnector.prepare!(channel, reply(), context)
  const blocked = connectorContext({ now: () => NOW, resolveHost: () => Promise.reject(new EgressBlocked()) })
  has(t, await emailConnector.send!(channel, prepared, blocked), { outcome: 'retry', reason: /not allowed/ })
  const open = connectorContext({
    now: () => NOW,
    resolveHost: async () => ({ address: '127.0.0.1', is_private: false }),
  })
  has(
    t,
    await emailConnector.send!(channel, prepared, open),
    { outcome: 'retry', reason: /ports 465/ },
    'nor another port of a public one',
  )
  t.equal(mails.length, 0)
})

t.test('nothing is begun once the time for it is over', async t => {
  const { mails, smtp } = await mailServer(t)
  const channel = channelOf(smtp)
  const prepared = await emailConnector.prepare!(channel, reply(), context)
  const over = connectorContext({ now: () => NOW, signal: AbortSignal.abort() })
  has(t, await emailConnector.send!(channel, prepared, over), { outcome: 'retry' })
  await t.rejects(emailConnector.identify!(channel, over), { name: 'NetworkUnavailable' })
  const hanging = await mailServer(t, { EHLO: () => ' ' })
  const soon = connectorContext({ now: () => NOW, signal: AbortSignal.timeout(200) })
  has(t, await emailConnector.send!(channelOf(hanging.smtp), prepared, soon), { outcome: 'retry' })
  t.equal(mails.length, 0)
})
