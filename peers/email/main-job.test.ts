import { has, startService, until } from '@parley/testing'
import t from 'tap'
import { openBrand, type Said } from './brand.ts'
import { arrived, BRAND, write } from './people.ts'

t.setTimeout(300_000)

t.test('a customer writes, an agent answers, the customer has the answer in the thread and writes again', async t => {
  const { servers, env, admin, account, conversations, conversation, said, message, reply, channel, bounces } =
    await openBrand(t, ['support', 'ana', 'bo'])
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
  const { servers, env, conversations, conversation, pollNow } = await openBrand(t, ['support', 'ana'])
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
