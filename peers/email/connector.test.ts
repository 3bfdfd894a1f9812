import { has, type MailServers, until } from '@parley/testing'
import t from 'tap'
import type { ConnectedChannel, OutgoingReply, PollPage } from '../../packages/connectors/src/connector.ts'
import { emailConnector } from '../../packages/connectors/src/email/index.ts'
import { ChannelAuthError, NetworkUnavailable, TooLate } from '../../packages/connectors/src/errors.ts'
import { arrived, BRAND, connectChannel, contextFor, mailServers, proxyTo, read, write } from './people.ts'

const { check, findSent, identify, listen, normalise, poll, prepare, readHistory, send } = emailConnector as Required<
  typeof emailConnector
>
const REPLY = '01890a5d-ac96-774b-bcce-b302099a8057'

t.setTimeout(180_000)

/** Polls until something comes, as events in Parley's words. */
async function news(channel: ConnectedChannel, place: { cursor: PollPage['cursor'] | null }) {
  const page = await until('there is news', async () => {
    const found = await poll(channel, place.cursor, contextFor())
    place.cursor = found.cursor
    return found.events.length > 0 ? found : undefined
  })
  return page.events.map(({ payload }) => normalise(channel, JSON.parse(JSON.stringify(payload)), new Date()))
}

function answerTo(reply_context: Record<string, unknown> | null, fields: Partial<OutgoingReply> = {}): OutgoingReply {
  return {
    message_id: REPLY,
    text: 'Please descale it.',
    visibility: 'private',
    thread_key: 'x',
    queued_at: new Date('2026-03-02T10:00:00Z'),
    in_reply_to: { external_id: 'x', reply_context, visibility: 'private', from_us: false },
    attachments: [],
    ...fields,
  }
}

/** A mail of Ana's that was read, and what an answer to it needs. */
async function question(servers: MailServers, channel: ConnectedChannel) {
  const place = { cursor: null }
  await poll(channel, null, contextFor()).then(page => Object.assign(place, page))
  const id = await write(servers)
  const [event] = await news(channel, place)
  if (event?.type !== 'message') throw new Error('no message')
  return { id, event, place }
}

t.test('a mailbox is read from when it was connected, each mail once', async t => {
  const servers = await mailServers(t, ['support', 'ana'])
  await write(servers, { subject: 'Before' })
  await arrived(servers, 'support')
  const channel = await connectChannel(servers)
  t.equal(channel.external_id, BRAND)
  const early = await write(servers, { subject: 'Between connecting and the first poll' })
  const place: { cursor: PollPage['cursor'] | null } = { cursor: null }
  has(t, await news(channel, place), [
    { type: 'message', external_id: early, author: { external_id: 'ana@customer.test' } },
  ])
  t.same((await poll(channel, place.cursor, contextFor())).events, [], 'the last one is not read again')

  for (let index = 0; index < 30; index += 1) await write(servers, { subject: `Number ${index}` })
  await arrived(servers, 'support', 32)
  const first = await poll(channel, place.cursor, contextFor())
  const second = await poll(channel, first.cursor, contextFor())
  t.same([first.events.length, first.more, second.events.length, second.more], [25, true, 5, false], 'page by page')
  const flags = await servers.doveadm(['fetch', '-u', 'support', 'flags', 'mailbox', 'INBOX'])
  t.notMatch(flags, /Seen/, 'what people have not read stays unread')
})

t.test('a folder that was made anew is read again, and another folder goes on', async t => {
  const servers = await mailServers(t, ['support', 'ana'])
  await servers.doveadm(['mailbox', 'create', '-u', 'support', 'Orders'])
  const channel = await connectChannel(servers, { folders: ['Orders', 'INBOX'] })
  const file = async () => {
    await arrived(servers, 'support')
    await servers.doveadm(['move', '-u', 'support', 'Orders', 'mailbox', 'INBOX', 'all'])
  }
  const place: { cursor: PollPage['cursor'] | null } = { cursor: (await poll(channel, null, contextFor())).cursor }
  const first = await write(servers)
  await file()
  has(t, await news(channel, place), [{ external_id: first }])
  await servers.doveadm(['mailbox', 'rename', '-u', 'support', 'Orders', 'Old'])
  const missing = await poll(channel, place.cursor, contextFor())
  t.match(missing.failed?.message, 'The mailbox has no folder Orders.')
  await servers.doveadm(['mailbox', 'create', '-u', 'support', 'Orders'])
  await servers.doveadm(['move', '-u', 'support', 'Orders', 'mailbox', 'Old', 'all'])
  const second = await write(servers)
  await file()
  const again = await poll(channel, missing.cursor, contextFor())
  const ids = again.events.map(({ payload }) => (payload as { message_id: string }).message_id)
  t.same(ids, [first, second], 'what is known comes under the key it had')
})

t.test('history is read from the newest back', async t => {
  const servers = await mailServers(t, ['support', 'ana'])
  const ids: string[] = []
  for (let index = 0; index < 28; index += 1) ids.push(await write(servers, { subject: `Number ${index}` }))
  await arrived(servers, 'support', 28)
  const channel = await connectChannel(servers)
  const found: string[] = []
  let cursor: Record<string, unknown> | null = null
  do {
    const page: Awaited<ReturnType<typeof readHistory>> = await readHistory(
      channel,
      new Date(Date.now() - 3_600_000),
      cursor,
      contextFor(),
    )
    found.push(...page.events.map(({ payload }) => (payload as { message_id: string }).message_id))
    cursor = page.cursor
  } while (cursor)
  t.same(found.toSorted(), ids.toSorted())
})

t.test('news is told while it is listened, and listening ends with the session', async t => {
  const servers = await mailServers(t, ['support', 'ana'])
  const channel = await connectChannel(servers)
  let heard = 0
  const listening = listen(channel, contextFor(), () => {
    heard += 1
  })
  await until('it listens', async () => heard > 0)
  await write(servers)
  await until('it hears of the mail', async () => heard > 1)
  await servers.kick('support')
  await listening.catch(error => t.type(error, NetworkUnavailable))
  const stop = new AbortController()
  const stopped = listen(channel, contextFor({ signal: stop.signal }), () => stop.abort())
  await stopped.catch(() => {})
  t.pass('it ends when it is told to')
})

t.test('an answer is in the thread of the customer, and its copy in Sent', async t => {
  const servers = await mailServers(t, ['support', 'ana'])
  const channel = await connectChannel(servers)
  const { id, event, place } = await question(servers, channel)
  const token = 'abcdefghijklmnopqrstuvwxyz'
  const files = [
    {
      id: 'f',
      media_type: 'application/pdf',
      filename: 'how.pdf',
      alt_text: null,
      byte_size: 8,
      read: async () => Buffer.from('%PDF-1.4'),
    },
  ]
  const reply = answerTo({ ...event.reply_context, reply_token: token }, { attachments: files })
  const prepared = await prepare(channel, reply, contextFor())
  t.strictSame(await prepare(channel, reply, contextFor()), prepared, 'prepared again it is the same mail')
  const outcome = await send(channel, prepared, contextFor())
  has(t, outcome, { outcome: 'sent', external_id: `${REPLY}.parley@brand.test` })
  const [mail] = await arrived(servers, 'ana')
  has(t, mail, {
    messageId: `<${REPLY}.parley@brand.test>`,
    inReplyTo: `<${id}>`,
    references: [`<${token}.thread.parley@brand.test>`, `<${id}>`],
    subject: 'Re: My kettle leaks',
    replyTo: { value: [{ address: `support+${token}@brand.test` }] },
    from: { value: [{ address: BRAND, name: 'Brand' }] },
    attachments: [{ filename: 'how.pdf' }],
  })
  t.match(mail?.text, 'Please descale it.')
  t.equal((await read(servers, 'support', 'Sent')).length, 1)
  has(t, await findSent(channel, prepared, contextFor()), {
    outcome: 'sent',
    external_id: `${REPLY}.parley@brand.test`,
  })
  has(t, await news(channel, place), [{ type: 'message', from_us: true, send_token: REPLY }], 'its copy is its echo')
})

t.test('a mail that nobody takes comes back as a bounce of its reply', async t => {
  const servers = await mailServers(t, ['support', 'ana'])
  const channel = await connectChannel(servers, { save_sent: 'never' })
  const { event, place } = await question(servers, channel)
  const nobody = { ...event.reply_context, to: [{ address: 'nobody@customer.test', name: '' }] }
  has(t, await send(channel, await prepare(channel, answerTo(nobody), contextFor()), contextFor()), { outcome: 'sent' })
  has(t, await news(channel, place), [
    {
      type: 'bounce',
      external_id: `${REPLY}.parley@brand.test`,
      send_token: REPLY,
      recipient: 'nobody@customer.test',
      permanent: true,
      reason: /^5\.\d\.\d.*/,
    },
  ])
})

t.test('a wrong password is the channel’s, a server that is away is not', async t => {
  const servers = await mailServers(t, ['support', 'ana'])
  const channel = await connectChannel(servers)
  const wrong = { ...channel, credentials: { user: 'support', password: 'wrong' } }
  await t.rejects(identify(wrong, contextFor()), { name: 'ChannelAuthError' })
  await t.rejects(poll(wrong, null, contextFor()), { name: 'ChannelAuthError' })
  const { event } = await question(servers, channel)
  const prepared = await prepare(channel, answerTo(event.reply_context), contextFor())
  const cannotSend = {
    ...channel,
    credentials: { user: 'support', password: servers.password, smtp_password: 'wrong' },
  }
  await t.rejects(send(cannotSend, prepared, contextFor()), ChannelAuthError)
  await t.rejects(identify(cannotSend, contextFor()), { name: 'ChannelAuthError', message: /SMTP/ })
  const { proxy, port } = await proxyTo(t, servers.ports.imap)
  proxy.set({ kind: 'refuse' })
  const away = { ...channel, settings: { ...channel.settings, imap: { host: '127.0.0.1', port, secure: false } } }
  await t.rejects(poll(away, null, contextFor()), { name: 'NetworkUnavailable' })
  t.equal((await read(servers, 'ana')).length, 0)
})

t.test('each thing a mailbox needs is tried by itself', async t => {
  const servers = await mailServers(t, ['support', 'ana'])
  const channel = await connectChannel(servers)
  const said = await check(channel, contextFor())
  t.same(
    said.map(({ name, ok }) => [name, ok]),
    [
      ['imap_login', true],
      ['folder', true],
      ['sent_folder', true],
      ['smtp_login', true],
      ['plus_address', true],
    ],
    JSON.stringify(said),
  )
  t.equal((await read(servers, 'support')).length, 0, 'what it sent itself is gone')
  const broken = { ...channel, credentials: { user: 'support', password: 'wrong', smtp_password: servers.password } }
  has(t, await check(broken, contextFor()), [
    { name: 'imap_login', ok: false, detail: /refused the login/ },
    { name: 'smtp_login', ok: true },
  ])
})

t.test('what became of a mail is said as certainly as it is known', async t => {
  const servers = await mailServers(t, ['support', 'ana'])
  const { proxy, port } = await proxyTo(t, servers.ports.submission)
  const channel = await connectChannel(servers, { smtp: { host: '127.0.0.1', port, secure: false } })
  const { event } = await question(servers, channel)
  const prepared = await prepare(channel, answerTo(event.reply_context), contextFor())

  await t.test('a server that cannot be reached has nothing', async t => {
    proxy.set({ kind: 'refuse' })
    has(t, await send(channel, prepared, contextFor()), { outcome: 'retry' })
    proxy.set({ kind: 'pass' })
  })
  await t.test('nor one that went away before the mail', async t => {
    const sprung = proxy.trap({ direction: 'up', pattern: 'RCPT TO', effect: 'cut' })
    has(t, await send(channel, prepared, contextFor()), { outcome: 'retry' })
    await sprung
  })
  await t.test('a worker that woke up too late sends nothing', async t => {
    const late = () => {
      throw new TooLate('not begun in time')
    }
    await t.rejects(send(channel, prepared, contextFor({ assertInTime: late })), { name: 'TooLate' })
  })
  t.equal((await read(servers, 'ana')).length, 0, 'none of these reached anybody')

  await t.test('where the answer was lost nobody knows, and the Sent folder does not tell', async t => {
    const sprung = proxy.trap({ direction: 'down', pattern: '250 OK id=', effect: 'cut' })
    has(t, await send(channel, prepared, contextFor()), { outcome: 'unknown' })
    await sprung
    t.equal((await arrived(servers, 'ana')).length, 1, 'it had been taken')
    has(t, await findSent(channel, prepared, contextFor()), { outcome: 'unknown' })
    const provider = { ...channel, settings: { ...channel.settings, save_sent: 'provider' } }
    has(t, await findSent(provider, prepared, contextFor()), { outcome: 'not_found' })
  })
})
