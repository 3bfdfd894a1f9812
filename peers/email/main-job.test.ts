import {
  firstWorkspace,
  has,
  restClient,
  serviceEnvironment,
  startApi,
  startService,
  testDatabase,
  until,
} from '@parley/testing'
import t, { type Test } from 'tap'
import { arrived, BRAND, mailServers, proxyTo, read, settingsOf, write } from './people.ts'

type Listed = { id: string; status: string; subject: string; waiting_since: string | null }
type Said = {
  id: string
  direction: string
  body: string
  body_quoted: string | null
  state: string
  external_id: string
  automatic: boolean
}

t.setTimeout(300_000)

/** A brand with a mailbox, connected through the API; its SMTP server stands behind a proxy. */
async function brand(t: Test, users: string[], fields: Record<string, unknown> = {}) {
  const servers = await mailServers(t, users)
  const { proxy, port } = await proxyTo(t, servers.ports.submission)
  const { db, url } = await testDatabase(t)
  const { key, inbox_id, workspace_id } = await firstWorkspace(db)
  const env = serviceEnvironment(url, { kind: 'postgres', url })
  const api = await startApi(t, env)
  const admin = restClient(api.url, key)
  const settings = settingsOf(servers, { smtp: { host: '127.0.0.1', port, secure: false }, ...fields })
  const account = { name: 'Support', kind: 'email', inbox_id, settings, poll_seconds: 5 }
  const credentials = { user: 'support', password: servers.password }
  const channel = await admin.post('/v1/channels', { ...account, credentials })
  t.equal(channel.status, 201, JSON.stringify(channel.body))
  t.equal(channel.body.external_id, BRAND)
  const pollNow = () => admin.post(`/v1/channels/${channel.body.id}/poll`)
  const conversations = async () => (await admin.get('/v1/conversations')).body.data as Listed[]
  const said = async (id: string) => (await admin.get(`/v1/conversations/${id}/messages`)).body.data as Said[]
  const reply = (id: string, body: string, key: string) =>
    admin.post(`/v1/conversations/${id}/replies`, { body, visibility: 'private' }, { 'idempotency-key': key })
  /** Waits for a conversation that is like this, asking for news all the while. */
  const conversation = (what: string, fits: (row: Listed) => boolean) =>
    until(what, async () => {
      await pollNow()
      return (await conversations()).find(fits)
    })
  const message = (id: string, what: string, fits: (row: Said) => boolean, timeoutMs?: number) =>
    until(
      what,
      async () => {
        await pollNow()
        return (await said(id)).find(fits)
      },
      timeoutMs,
    )
  /** Delivery reports that were read and are done with. */
  const bounces = () =>
    db.inWorkspace(workspace_id, async trx => {
      const rows = await trx
        .selectFrom('inbound_events as e')
        .innerJoin('inbound_payloads as p', 'p.id', 'e.id')
        .select('p.payload')
        .where('e.state', 'in', ['done', 'ignored'])
        .execute()
      return rows.flatMap(({ payload }) => (payload as { bounce: { recipient: string } | null }).bounce ?? [])
    })
  return {
    servers,
    proxy,
    bounces,
    env,
    admin,
    channel,
    account,
    conversations,
    conversation,
    said,
    message,
    reply,
    pollNow,
  }
}

t.test('a customer writes, an agent answers, the customer has the answer in the thread and writes again', async t => {
  const { servers, env, admin, account, conversations, conversation, said, message, reply, channel, bounces } =
    await brand(t, ['support', 'ana', 'bo'])
  startService(t, 'worker', env)
  const wrong = await admin.post('/v1/channels', { ...account, credentials: { user: 'support', password: 'wrong' } })
  t.equal(wrong.status, 422, 'a wrong password is refused when the channel is connected')

  const question = await write(servers, { subject: 'My kettle leaks 😞', text: 'It leaks since yesterday.' })
  const { id } = await conversation('the mail is listed', row => row.subject === 'My kettle leaks 😞')
  has(t, await said(id), [{ direction: 'inbound', body: 'It leaks since yesterday.', external_id: question }])
  t.equal((await reply(id, 'Please descale it.', 'mail-reply-1')).status, 202)
  const sent = await message(id, 'the answer is sent', row => row.state === 'sent')
  const [answer] = await arrived(servers, 'ana')
  has(t, answer, { messageId: `<${sent.external_id}>`, inReplyTo: `<${question}>`, subject: 'Re: My kettle leaks 😞' })
  t.match(answer?.text, 'Please descale it.')
  t.ok([answer?.references].flat().includes(`<${question}>`))
  const sla = (await admin.get(`/v1/conversations/${id}/sla`)).body
  t.ok(sla.waits[0].closed_at, 'the wait ended when the server took the mail')

  await t.test('an answer by the address of the conversation alone comes back to it', async t => {
    const to = answer!.replyTo!.value[0]!.address!
    t.match(to, /^support\+[a-z2-7]{26}@brand\.test$/)
    const text = `It works now!\n\nOn Mon, Mar 2, 2026 at 9:30 AM Brand <${BRAND}> wrote:\n\n> Please descale it.\n`
    await write(servers, { from: 'ana+home@customer.test', to: to.toUpperCase(), subject: 'Thanks', text })
    const thanks = await message(id, 'her thanks are there', row => row.body === 'It works now!')
    t.match(thanks.body_quoted, '> Please descale it.')
    t.equal((await conversations()).length, 1)
    t.equal((await admin.get(`/v1/conversations/${id}`)).body.status, 'open')
  })

  await t.test('a note that she is away is shown, and nobody waits', async t => {
    t.equal((await reply(id, 'You are welcome.', 'mail-reply-2')).status, 202)
    const second = await message(id, 'it is sent', row => row.body === 'You are welcome.' && row.state === 'sent')
    const before = await until('nobody waits', async () => {
      const row = (await conversations())[0]!
      return row.waiting_since === null && row
    })
    await write(servers, {
      inReplyTo: `<${second.external_id}>`,
      references: `<${second.external_id}>`,
      subject: 'Away: Re: My kettle leaks',
      text: 'I am back on Monday.',
      headers: { 'Auto-Submitted': 'auto-replied' },
    })
    has(t, await message(id, 'the note is there', row => row.body === 'I am back on Monday.'), { automatic: true })
    has(t, (await conversations())[0], { status: before.status, waiting_since: null })
  })

  await t.test('a stranger who knows the ids of a thread is not in it', async t => {
    const forged = { from: 'bo@customer.test', subject: 'Re: My kettle leaks', text: 'Send it to me.' }
    await write(servers, { ...forged, inReplyTo: `<${question}>`, references: `<${question}>` })
    const other = await conversation('it is another conversation', row => row.subject === 'Re: My kettle leaks')
    t.not(other.id, id)
  })

  await t.test('what somebody answers in another mail program ends the wait', async t => {
    await write(servers, { from: 'bo@customer.test', subject: 'Opening hours today', text: 'Are you open?' })
    const open = await conversation('it is listed', row => row.subject === 'Opening hours today')
    const [{ external_id }] = (await said(open.id)) as [Said]
    const raw = `From: ${BRAND}\r\nTo: bo@customer.test\r\nSubject: Re: Opening hours today\r\nMessage-ID: <by-hand@brand.test>\r\nIn-Reply-To: <${external_id}>\r\nReferences: <${external_id}>\r\n\r\nUntil six.\r\n`
    const { ImapFlow } = await import('imapflow')
    const auth = { user: 'support', pass: servers.password }
    const client = new ImapFlow({ host: '127.0.0.1', port: servers.ports.imap, secure: false, auth, logger: false })
    await client.connect()
    await client.append('Sent', raw, ['\\Seen'])
    await client.logout()
    has(t, await message(open.id, 'it is there', row => row.body === 'Until six.'), {
      direction: 'outbound',
      state: 'sent',
    })
    await until(
      'nobody waits',
      async () => (await conversations()).find(row => row.id === open.id)?.waiting_since === null,
    )
  })

  await t.test('a mail that nobody takes comes back as a bounce and is no message', async t => {
    await write(servers, { from: 'gone@customer.test', subject: 'From an address that is gone', text: 'Hello' })
    const gone = await conversation('it is listed', row => row.subject === 'From an address that is gone')
    t.equal((await reply(gone.id, 'Hello!', 'mail-reply-3')).status, 202)
    await message(
      gone.id,
      'the relay has taken it',
      row => row.body === 'Hello!' && row.state !== 'queued' && row.state !== 'sending',
    )
    const report = await until('the report is in the ledger', async () => {
      await admin.post(`/v1/channels/${channel.body.id}/poll`)
      return (await bounces())[0]
    })
    t.equal(report.recipient, 'gone@customer.test')
    t.ok((await said(gone.id)).every(row => row.body === 'Hello' || row.body === 'Hello!'))
  })
})

t.test('sessions that the server ends and a mailbox that was made anew lose and double nothing', async t => {
  const { servers, env, conversations, conversation, pollNow } = await brand(t, ['support', 'ana'])
  startService(t, 'worker', env)
  for (let index = 0; index < 12; index += 1) {
    await write(servers, { subject: `Order ${index} is late` })
    await pollNow()
    await servers.kick('support')
  }
  for (let index = 0; index < 12; index += 1)
    await conversation(`order ${index} is listed`, row => row.subject === `Order ${index} is late`)
  t.equal((await conversations()).length, 12)

  const before = await servers.doveadm(['mailbox', 'status', '-u', 'support', 'uidvalidity', 'INBOX'])
  await servers.kick('support')
  await servers.doveadm(['mailbox', 'update', '-u', 'support', '--uid-validity', '4711', 'INBOX'])
  t.not(await servers.doveadm(['mailbox', 'status', '-u', 'support', 'uidvalidity', 'INBOX']), before)
  await write(servers, { subject: 'Order 12 is late' })
  await conversation('the next one is listed', row => row.subject === 'Order 12 is late')
  t.equal((await conversations()).length, 13)
})

t.test('where the answer of the mail server is lost, the reply is unknown and the mail is out once', async t => {
  const { servers, env, proxy, conversation, message, reply } = await brand(t, ['support', 'ana'])
  startService(t, 'worker', env)
  await write(servers)
  const { id } = await conversation('the mail is listed', row => row.subject === 'My kettle leaks')
  const lost = proxy.trap({ direction: 'down', pattern: '250 OK id=', effect: 'cut' })
  t.equal((await reply(id, 'Please descale it.', 'lost-answer-1')).status, 202)
  await lost
  await message(id, 'nobody knows', row => row.body === 'Please descale it.' && row.state === 'unknown', 100_000)
  t.equal((await arrived(servers, 'ana')).length, 1)
  t.equal((await read(servers, 'ana')).length, 1)
})

t.test('a worker killed while it sends leaves at most one mail', async t => {
  const { servers, env, conversation, message, reply } = await brand(t, ['support', 'ana'])
  const first = startService(t, 'worker', env)
  await write(servers)
  const { id } = await conversation('the mail is listed', row => row.subject === 'My kettle leaks')
  await first.kill()
  t.equal((await reply(id, 'Please descale it.', 'killed-worker-1')).status, 202)
  // Workers come and go within moments; each may die anywhere between queued and sent.
  for (let life = 0; life < 6; life += 1) {
    const short = startService(t, 'worker', env)
    await until('it works', async () => short.output().includes('"msg":"working"'))
    await new Promise(resolve => setTimeout(resolve, life * 40))
    await short.kill()
  }
  startService(t, 'worker', env)
  const ended = (row: Said) => row.body === 'Please descale it.' && ['sent', 'unknown'].includes(row.state)
  const { state } = await message(id, 'the reply is sent, or nobody knows', ended, 120_000)
  const there = (await read(servers, 'ana')).length
  t.ok(there <= 1, `${there} mails`)
  if (state === 'sent') t.equal((await arrived(servers, 'ana')).length, 1)
})
